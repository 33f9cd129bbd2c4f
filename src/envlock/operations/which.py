"""`envlock which`: what an image is of, from its documents and from the statements that refer to it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from envlock.errors import IntegrityError, UsageError
from envlock.formats.in_toto import IN_TOTO, parse_statement
from envlock.formats.oci import CONFIG, Config, Descriptor, Manifest, parse_manifest
from envlock.formats.project import LABEL_SOURCE
from envlock.image.oci import LABEL_ENV, LABEL_LOCK, LABEL_SPEC
from envlock.model.edges import History, Registry, Signatures
from envlock.model.manifest import Manifest as Project
from envlock.model.origin import Artifact, Here, Origin, PlatformNames, Statement
from envlock.model.provenance import Provenance, Signature
from envlock.model.reference import Reference
from envlock.operations.attest import SSH_SIGNATURE
from envlock.operations.documents import (
    Documents,
    RegistryDocuments,
    config_of,
    index_of,
    is_image_manifest,
    is_index,
    manifest_of,
)
from envlock.operations.places import Place
from envlock.operations.references import lock_tag

_SHA256 = re.compile(r"sha256:([0-9a-f]{64})")
_CONFIGS = (CONFIG, "application/vnd.docker.container.image.v1+json")
"""Media types of the configurations of images; a chart or an attestation has another one."""
_MOST_REFERRERS = 100
"""Anybody who may push may attach; more are not looked at."""

_MOST_SIGNATURES, _LONGEST_SIGNATURE = 16, 1 << 20


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """Whom signatures are held against."""

    signatures: Signatures
    allowed: Path | None = None
    """A file of allowed signers (ssh-keygen(1))."""
    demanded: bool = False
    """Whether a statement has to be signed by one of them."""


def which_in_registry(registry: Registry, reference: Reference, trust: Trust) -> Origin:
    """Say what an image in a registry is of.

    Of the image of one platform, the index is found by the tag of its lock, since statements are about the index.
    Raises UsageError (`no-image`, …) and IntegrityError (`digest-mismatch`, `bad-image`).
    """
    raw, media_type, digest = registry.manifest(reference)
    top = Descriptor(media_type=media_type, digest=digest, size=len(raw))
    if is_image_manifest(media_type):
        top = _index_with(registry, reference, top, parse_manifest(raw, str(reference))) or top
    return _origin(RegistryDocuments(registry, reference), top, str(reference.at(digest)), trust)


def which_in(place: Place, shown: str, trust: Trust) -> Origin:
    """Say what the image of a place is of, such as one in an OCI layout; `shown` is how the user named it.

    Raises UsageError (`no-layout`, `no-image`, `several-images`), IntegrityError (`digest-mismatch`, `bad-image`).
    """
    return _origin(place.documents, place.top(), shown, trust)


def which_by_labels(reference: str, platform: str, image_id: str, labels: Mapping[str, str]) -> Origin:
    """Say what an image of an Engine is of, which has labels and an image ID, and nothing that refers to it."""
    return _labelled(
        Origin(
            reference=reference,
            index=None,
            platforms=(PlatformNames(platform=platform, manifest=None, image_id=image_id),),
        ),
        [labels],
    )


def beside_project(origin: Origin, project: Project, history: History | None) -> Origin:
    """Add what the project at hand knows of an image's lock, and hold its git history against the statements."""
    if origin.lock_digest is None:
        return origin
    for name in sorted(project.environments):
        path = project.lock_path(name)
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == origin.lock_digest:
            here = Here(env=name)
            break
    else:
        here = Here(held=history.holding(origin.lock_digest) if history else None)
    problems = tuple(_contradictions(origin, history)) if history else ()
    return msgspec.structs.replace(origin, here=here, problems=(*origin.problems, *problems))


def _contradictions(origin: Origin, history: History) -> Iterator[str]:
    for statement in origin.statements:
        source = statement.provenance.source if statement.provenance and not statement.problem else None
        if source is not None and source.lock_committed:
            found = history.lock_at(source.commit, source.lock_path)
            if found not in (None, origin.lock_digest):
                yield f"a statement says that commit {source.commit} holds this lock, but it holds sha256:{found}"


def _index_with(registry: Registry, reference: Reference, top: Descriptor, manifest: Manifest) -> Descriptor | None:
    """Return the index of our image that lists a manifest, None where the registry has none."""
    tag = lock_tag(manifest.annotations)
    if tag is None:
        return None
    found = registry.find(reference.tagged(tag))
    if found is None:
        return None
    raw, media_type, digest = registry.manifest(reference.at(found))
    index = Descriptor(media_type=media_type, digest=digest, size=len(raw))
    documents = RegistryDocuments(registry, reference)
    listed = index_of(documents, index).manifests if is_index(media_type) else ()
    return index if any(descriptor.digest == top.digest for descriptor in listed) else None


def _origin(documents: Documents, top: Descriptor, reference: str, trust: Trust) -> Origin:
    index = index_of(documents, top) if is_index(top.media_type) else None
    descriptors = index.manifests if index else (top,)
    labels: list[Mapping[str, str]] = [index.annotations] if index else []
    names = []
    for descriptor in descriptors:
        if not is_image_manifest(descriptor.media_type) or _is_no_image(descriptor):
            continue
        manifest = manifest_of(documents, descriptor)
        if manifest.config.media_type not in _CONFIGS:
            continue
        config = config_of(documents, manifest)
        labels += [manifest.annotations, config.labels]
        names.append(
            PlatformNames(platform=_platform(config), manifest=descriptor.digest, image_id=manifest.config.digest)
        )
    if not names:
        raise UsageError("no-image", "This names no image, but something else.", where=reference)
    origin = _labelled(Origin(reference=reference, index=top.digest if index else None, platforms=tuple(names)), labels)
    return _with_statements(origin, documents, top.digest, trust)


def _is_no_image(descriptor: Descriptor) -> bool:
    """Tell what BuildKit lists in an index beside the images (attestation storage)."""
    platform = descriptor.platform
    return platform is not None and platform.os == "unknown"


def _labelled(origin: Origin, labels: list[Mapping[str, str]]) -> Origin:
    """Add what the labels say, and a problem where they say different things."""
    said = {
        label: sorted({row[label] for row in labels if label in row})
        for label in (LABEL_LOCK, LABEL_ENV, LABEL_SPEC, LABEL_SOURCE)
    }
    problems = [
        f"{label} is {' and '.join(map(repr, values))} in one image"
        for label, values in said.items()
        if len(values) > 1
    ]
    lock, env, spec, source = (values[0] if values else None for values in said.values())
    if lock is not None and _digest(lock) is None:
        problems.append(f"{LABEL_LOCK} is {lock!r}, which is no digest")
    return msgspec.structs.replace(
        origin,
        lock_digest=_digest(lock),
        env=env,
        layer_spec=spec,
        project=_digest(source),
        problems=(*origin.problems, *problems),
    )


def _with_statements(origin: Origin, documents: Documents, subject: str, trust: Trust) -> Origin:
    statements, artifacts = [], []
    referrers = documents.referrers(subject)
    for descriptor in referrers[:_MOST_REFERRERS]:
        if descriptor.artifact_type in (None, IN_TOTO):
            statements.append(_statement(documents, descriptor, subject, origin, trust))
        else:
            artifacts.append(Artifact(artifact_type=str(descriptor.artifact_type), digest=descriptor.digest))
    problems = [f"statement {each.digest}: {each.problem}" for each in statements if each.problem]
    found = [signature for each in statements if not each.problem for signature in each.signatures]
    problems += [f"a signature of {s.key or 'nobody'} is wrong: {s.why}" for s in found if s.standing == "wrong"]
    unproven = ""
    if trust.demanded and not any(signature.standing == "trusted" for signature in found):
        strangers = [signature for signature in found if signature.standing == "unknown"]
        problems += [f"signed by {signature.key}, who is no allowed signer: {signature.why}" for signature in strangers]
        if not strangers:
            unproven = next((s.why for s in found if s.why), "") or "no statement about this image is signed"
    return msgspec.structs.replace(
        origin,
        statements=tuple(statements),
        artifacts=tuple(artifacts),
        problems=(*origin.problems, *problems),
        unproven=unproven,
    )


def _statement(documents: Documents, descriptor: Descriptor, subject: str, origin: Origin, trust: Trust) -> Statement:
    """Read one attestation; what is wrong with it is part of the answer, for anybody may have put it there."""
    try:
        manifest = manifest_of(documents, descriptor)
        named = manifest.subject.digest if manifest.subject else "nothing"
        if named != subject:
            return Statement(digest=descriptor.digest, problem=f"it is kept as one about this image, but names {named}")
        if manifest.artifact_type != IN_TOTO or not manifest.layers or manifest.layers[0].media_type != IN_TOTO:
            return Statement(digest=descriptor.digest, problem="it holds no in-toto statement")
        raw = documents.raw(manifest.layers[0])
        provenance = parse_statement(raw, descriptor.digest)
        beside = [layer for layer in manifest.layers[1:] if layer.media_type == SSH_SIGNATURE]
        if len(beside) > _MOST_SIGNATURES or any(layer.size > _LONGEST_SIGNATURE for layer in beside):
            return Statement(digest=descriptor.digest, problem="its signatures are too many, or too long")
        armored = [documents.raw(layer) for layer in beside]
    except IntegrityError as error:
        return Statement(digest=descriptor.digest, problem=error.what)
    except UsageError as error:
        if error.reference not in ("no-image", "no-blob", "not-a-manifest"):
            raise
        return Statement(digest=descriptor.digest, problem=error.what)
    signatures: tuple[Signature, ...] = tuple(trust.signatures.check(raw, one, trust.allowed) for one in armored)
    problem = _contradiction(provenance, subject, origin)
    return Statement(digest=descriptor.digest, provenance=provenance, signatures=signatures, problem=problem)


def _contradiction(provenance: Provenance, subject: str, origin: Origin) -> str:
    if subject not in provenance.subjects:
        return f"it is about another image: {', '.join(provenance.subjects) or 'none that has a sha256'}"
    if not provenance.ours:
        return ""
    if provenance.lock_digest != origin.lock_digest:
        return f"it says that the lock is sha256:{provenance.lock_digest}, and the image that it is another"
    if (provenance.env, provenance.project) != (origin.env, origin.project):
        return "it says of another environment or other project files that they are in this image"
    return ""


def _platform(config: Config) -> str:
    return f"{config.os}/{config.architecture}"


def _digest(text: str | None) -> str | None:
    match = _SHA256.fullmatch(text or "")
    return match[1] if match else None
