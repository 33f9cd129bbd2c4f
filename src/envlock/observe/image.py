"""Observes an image by its documents, its lock layer and its project layer, or by all of its layers.

Nothing is run, and nothing is kept or unpacked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import msgspec

from envlock.errors import IntegrityError, UnverifiableError, UsageError
from envlock.formats.layer_reader import read_layer
from envlock.formats.oci import Config, Descriptor, Manifest
from envlock.formats.project import LABEL_SOURCE, environments_below
from envlock.model.edges import Progress
from envlock.model.factors import variables_of
from envlock.model.observation import ImageFact, LayerFact, Observation, ProjectFact, Unknown
from envlock.model.platform import Platform
from envlock.observe.layers import LOCK_PATH, read_image_files
from envlock.observe.project import observe_project
from envlock.observe.sources import Find, ImageSource, config_of, manifest_of

LABEL_LOCK = "dev.envlock.lock.digest"
_LOCK_LAYER = 64 << 20
"""Largest blob that is looked into for a lock: a lock of a thousand packages has some MiB."""
_STRANGE = 1 << 20
"""The same for an image that does not say it has one: somebody may have taken the label away."""


def observe_image(
    find: Find,
    *,
    name: str,
    full: bool,
    progress: Progress,
    known: Mapping[str, bytes] = MappingProxyType({}),
    locked: Mapping[str, str] = MappingProxyType({}),
) -> Observation:
    """Look at an image.

    Quick: manifest, configuration, what blobs show unread, the lock layer and a project layer. `full` reads every one.

    Args:
        known: locks by the digest of the manifest of their image, 64 hex digits each; in quick mode the lock layer of
            such an image is not read, since its digest says what is in it.
        locked: variables that a lock sets, see `model.factors.variables_of`.

    Raises what `find` raises, IntegrityError apart: what contradicts itself in the image is part of the observation.
    """
    try:
        source = find()
        manifest = manifest_of(source)
        config = config_of(source, manifest)
    except IntegrityError as error:
        why = f"{error.what} {f'found {error.found}' if error.found else ''}".strip()
        return Observation(target=name, full=full, environment=None, image=broken(name, why))
    layers = tuple(
        _look(source, blob, diff_id) for blob, diff_id in zip(manifest.layers, config.rootfs.diff_ids, strict=True)
    )
    lock, project, problem = _top_of(source, manifest, config, layers, full=full, known={} if full else known)
    if problem:
        layers = (*layers[:-1], msgspec.structs.replace(layers[-1], problem=problem))
    read = read_image_files(source, manifest, config, layers, progress) if full else None
    return Observation(
        target=name,
        full=full,
        environment=read.environment if read is not None else None,
        variables=variables_of(config.variables, "image", locked=locked),
        image=ImageFact(
            reference=name,
            platform=platform_of(config.os, config.architecture),
            digest=source.descriptor.digest.removeprefix("sha256:"),
            config=manifest.config.digest.removeprefix("sha256:"),
            labels=config.labels,
            layers=read.layers if read is not None else layers,
            lock=lock,
            project=project,
            unclear=read.unclear if read is not None else (),
            contradictions=tuple(_contradictions(source.descriptor, config)),
        ),
    )


def platform_of(system: str, architecture: str) -> Platform | None:
    """Return the platform that an image names, None where it is none that locks know."""
    try:
        return Platform.parse(f"{system}/{architecture}")
    except UsageError:
        return None


def _look(source: ImageSource, blob: Descriptor, diff_id: str) -> LayerFact:
    """Return a layer unread."""
    seen = source.look(blob)
    return LayerFact(
        digest=blob.digest.removeprefix("sha256:"),
        size=blob.size,
        diff_id=diff_id.removeprefix("sha256:"),
        problem=seen.problem,
        missing=seen.missing,
    )


def _top_of(
    source: ImageSource,
    manifest: Manifest,
    config: Config,
    layers: tuple[LayerFact, ...],
    *,
    full: bool,
    known: Mapping[str, bytes],
) -> tuple[bytes | Unknown | None, ProjectFact | None, str]:
    """Return the lock, the project files above it where there are any, and what is wrong with those."""
    rows = list(zip(manifest.layers, layers, strict=True))
    if LABEL_SOURCE in config.labels and len(rows) > 1:
        documents = source.blob(source.descriptor), source.blob(manifest.config)
        below = tuple(digest.removeprefix("sha256:") for digest in environments_below(*documents))
        lock = _known_to(known, below) or _lock_of(source, config, *rows[-2])
        if lock is not None:
            limit = rows[-1][0].size if full else _LOCK_LAYER
            return lock, *observe_project(source, manifest, config, rows[-1][1], below, limit)
    lock = _known_to(known, (source.descriptor.digest.removeprefix("sha256:"),))
    return lock or (_lock_of(source, config, *rows[-1]) if rows else None), None, ""


def _known_to(known: Mapping[str, bytes], digests: tuple[str, ...]) -> bytes | None:
    return next((known[digest] for digest in digests if digest in known), None)


def _lock_of(source: ImageSource, config: Config, blob: Descriptor, fact: LayerFact) -> bytes | Unknown | None:
    """Return the lock in a layer, whose bytes are checked against the manifest's digest."""
    if fact.missing:
        return Unknown(reason="the layer of its lock is not in the layout")
    if blob.size > (_LOCK_LAYER if LABEL_LOCK in config.labels else _STRANGE):
        return None
    found: list[bytes] = []
    try:
        entries = read_layer(
            source.chunks(blob), where=blob.digest, digest=blob.digest, diff_id=f"sha256:{fact.diff_id}"
        )
        for entry, body in entries:
            if entry.kind == "file" and LOCK_PATH.fullmatch(entry.path) and entry.size <= _LOCK_LAYER:
                found.append(b"".join(body))
            elif entry.kind != "dir":
                return None  # a layer of an ordinary image
    except UnverifiableError as error:
        if error.reference == "blob-missing":
            return Unknown(reason=f"the layer of its lock is {error.what}")
        return Unknown(reason=error.what) if found else None
    except IntegrityError as error:
        # Only where a lock was found it is known to be our layer; else full mode says what is wrong with it.
        return Unknown(reason=error.what) if found else None
    return found[0] if len(found) == 1 else None


def _contradictions(descriptor: Descriptor, config: Config) -> Iterator[str]:
    said = descriptor.platform
    if said is not None and (said.os, said.architecture) != (config.os, config.architecture):
        yield f"the index says {said.os}/{said.architecture}, the config {config.os}/{config.architecture}"


def broken(name: str, why: str) -> ImageFact:
    """Return an image of which nothing is known but how its documents contradict themselves."""
    return ImageFact(
        reference=name,
        platform=None,
        digest="",
        labels={},
        layers=(),
        lock=Unknown(reason="the image's documents cannot be read"),
        contradictions=(why,),
    )
