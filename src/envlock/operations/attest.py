"""What is said about an image, put beside it in its registry as referrers of its index (OCI image-spec 1.1, subject).

A statement that is there already is not attached again: what was pushed a hundred times from one commit has one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Literal

import msgspec

from envlock.errors import EnvlockError
from envlock.formats.in_toto import IN_TOTO, PROVENANCE, provenance_statement
from envlock.formats.oci import MANIFEST, Descriptor, Manifest, canonical_json, describe, digest_of
from envlock.formats.sshsig import key_fingerprint
from envlock.image.oci import Image
from envlock.model.edges import Registry, Signatures
from envlock.model.lock import LockFile
from envlock.model.observation import Unknown
from envlock.model.provenance import Source
from envlock.model.reference import Reference
from envlock.operations.documents import Documents, RegistryDocuments, manifest_of

CYCLONEDX = "application/vnd.cyclonedx+json"
REPORT = "application/vnd.envlock.report.v1+json"
"""A report of an environment of the image's lock: the artifact, and its first layer; a signature is the second."""
SSH_SIGNATURE = "application/vnd.envlock.ssh-signature"
"""An armored SSH signature (OpenSSH, PROTOCOL.sshsig) over the bytes of the layer before it."""
_EMPTY = describe(b"{}", "application/vnd.oci.empty.v1+json")
"""The configuration of what has none (manifest.md, guidance for an empty descriptor)."""
_TITLE = "org.opencontainers.image.title"
_PREDICATE = "in-toto.io/predicate-type"


Kind = Literal["provenance", "sbom", "report"]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A layer of an attestation."""

    media_type: str
    title: str
    """The file name that tools which pull artifacts give it."""
    raw: bytes


class Attestation(msgspec.Struct, frozen=True, kw_only=True):
    """What is said about an image: a document, and for a signed one the signature over its bytes."""

    kind: Kind
    artifact_type: str
    document: Part
    signature: Part | None = None

    @property
    def parts(self) -> tuple[Part, ...]:
        """The layers, in order."""
        return (self.document,) if self.signature is None else (self.document, self.signature)


class Attached(msgspec.Struct, frozen=True, kw_only=True):
    """An attestation that is in the registry now."""

    kind: Kind
    digest: str
    """Of its manifest."""
    new: bool
    """False where the registry had it already."""


def provenance(image: Image, lock_file: LockFile, source: Source | Unknown) -> Attestation:
    """Return the in-toto statement of where an image comes from; pure: no clock, host, user or remote is in it."""
    raw = provenance_statement(
        subject=image.index.descriptor.digest,
        name=image.tag,
        env=lock_file.lock.env,
        lock_digest=lock_file.digest,
        layer_spec=lock_file.lock.layer_spec,
        project=image.source,
        source=source if isinstance(source, Source) else None,
    )
    document = Part(media_type=IN_TOTO, title="statement.json", raw=raw)
    return Attestation(kind="provenance", artifact_type=IN_TOTO, document=document)


def signed(attestation: Attestation, signatures: Signatures, key: str) -> Attestation:
    """Return an attestation with a signature over its document's exact bytes.

    `key` is a private key's file, or a public one's whose private key an agent holds. Raises UsageError
    (`no-ssh-keygen`, `no-such-key`, `signing-failed`).
    """
    raw = signatures.sign(attestation.document.raw, key)
    part = Part(media_type=SSH_SIGNATURE, title=f"{attestation.document.title}.sig", raw=raw)
    return msgspec.structs.replace(attestation, signature=part)


def sbom(lock_file: LockFile) -> Attestation:
    """Return the CycloneDX bill of materials of every platform of a lock; UsageError (`no-sbom-library`)."""
    from envlock.operations.sbom import cyclonedx_json

    document = Part(media_type=CYCLONEDX, title="bom.cdx.json", raw=cyclonedx_json(lock_file))
    return Attestation(kind="sbom", artifact_type=CYCLONEDX, document=document)


def attach(
    registry: Registry, repository: Reference, subject: Descriptor, attestations: Sequence[Attestation]
) -> tuple[Attached, ...]:
    """Make attestations referrers of `subject`, the image's index, which the repository has already.

    Only what is not there yet is sent. Raises what the registry raises.
    """
    if not attestations:
        return ()
    documents = RegistryDocuments(registry, repository)
    there = documents.referrers(subject.digest)
    return tuple(_attach(registry, repository, subject, documents, there, one) for one in attestations)


def attestation_manifest(attestation: Attestation, subject: Descriptor) -> Manifest:
    """Return the OCI manifest of an attestation about `subject` (manifest.md, guidelines for artifact usage)."""
    predicate = {_PREDICATE: PROVENANCE} if attestation.kind == "provenance" else {}
    return Manifest(
        schema_version=2,
        media_type=MANIFEST,
        artifact_type=attestation.artifact_type,
        config=_EMPTY,
        layers=tuple(
            describe(part.raw, part.media_type, annotations={_TITLE: part.title}) for part in attestation.parts
        ),
        subject=Descriptor(media_type=subject.media_type, digest=subject.digest, size=subject.size),
        annotations=predicate,
    )


def _attach(
    registry: Registry,
    repository: Reference,
    subject: Descriptor,
    documents: Documents,
    there: Sequence[Descriptor],
    attestation: Attestation,
) -> Attached:
    manifest = attestation_manifest(attestation, subject)
    raw = canonical_json(manifest)
    digest = digest_of(raw)
    for descriptor in sorted(there, key=lambda one: one.digest != digest):
        if descriptor.digest == digest or _says_the_same(documents, descriptor, manifest, attestation.signature):
            return Attached(kind=attestation.kind, digest=descriptor.digest, new=False)
    blobs = {_EMPTY.digest: b"{}"} | {digest_of(part.raw): part.raw for part in attestation.parts}
    for name, blob in blobs.items():
        if not registry.has_blob(repository, name):
            registry.upload(repository, name, len(blob), partial(_pieces, blob))
    registry.put_manifest(repository.at(digest), raw, MANIFEST)
    return Attached(kind=attestation.kind, digest=digest, new=True)


def _pieces(blob: bytes) -> Iterator[bytes]:
    yield blob


def _says_the_same(documents: Documents, descriptor: Descriptor, wanted: Manifest, signature: Part | None) -> bool:
    """Tell whether a referrer holds the same document, signed by the same key where it is to be signed.

    Signatures of some kinds of keys are never the same twice.
    """
    if descriptor.artifact_type not in (None, wanted.artifact_type):
        return False
    try:
        found = manifest_of(documents, descriptor)
        same = (found.subject, found.artifact_type, found.layers[:1]) == (
            wanted.subject,
            wanted.artifact_type,
            wanted.layers[:1],
        )
        if signature is None or not same:
            return same
        return any(
            layer.media_type == SSH_SIGNATURE
            and key_fingerprint(documents.raw(layer)) == key_fingerprint(signature.raw)
            for layer in found.layers[1:]
        )
    except EnvlockError as error:
        if error.reference in ("bad-image", "digest-mismatch", "not-a-manifest", "no-image", "no-blob"):
            return False  # what somebody else attached is broken, and is no reason not to attach this
        raise
