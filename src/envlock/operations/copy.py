"""`envlock copy`: any image from one place to another, its bytes and so its digests kept, and what refers to it too."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import msgspec

from envlock.errors import UsageError
from envlock.formats.oci import DOCKER_INDEX, DOCKER_MANIFEST, INDEX, MANIFEST, Descriptor, parse_index, parse_manifest
from envlock.model.edges import Progress, Registry
from envlock.model.reference import Reference
from envlock.operations.places import Place
from envlock.operations.push import Tagged
from envlock.operations.references import is_lock_tag, lock_tag_moved

_CONNECTIONS = 4
_MOST_BYTES = 64 << 20
"""Of indexes and manifests, which are held until the blobs are there."""
_DEEPEST = 4
"""Indexes in indexes, and referrers of referrers: a signature of an attestation of an image is the third."""


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a copy."""

    name: str
    """Of the target, with the digest."""
    digest: str
    referrers: int
    sent: int
    """Blobs."""
    mounted: int
    there: int
    sent_bytes: int


def copy_image(source: Place, target: Place, *, progress: Progress, referrers: bool = True) -> Copied:
    """Copy an image, all platforms of it, and unless told otherwise what refers to it.

    Blobs that the target has are not sent, and none is kept on this machine on the way. Layers that registries may not
    distribute stay where their URLs say. Raises UsageError (`not-an-image`) and what the places raise.
    """
    walk = _Walk(source)
    top = source.top()
    walk.image(top)
    attached = walk.referrers(top) if referrers else ()
    ways = _copy_blobs(list(walk.blobs.values()), source, target, progress)
    for descriptor, raw in walk.documents.values():
        target.put(descriptor, raw)
    name = target.finish(top, walk.documents[top.digest][1], attached, source.name)
    return Copied(
        name=name,
        digest=top.digest,
        referrers=len(attached),
        sent=ways.count("sent"),
        mounted=ways.count("mounted"),
        there=ways.count("there"),
        sent_bytes=sum(blob.size for blob, way in zip(walk.blobs.values(), ways, strict=True) if way == "sent"),
    )


def tag_image(reference: Reference, tags: Sequence[str], registry: Registry) -> tuple[str, tuple[Tagged, ...]]:
    """Give an image in a registry more tags, by the very bytes of its index or manifest.

    Returns its digest, and what each tag named before. Raises what the registry raises.
    """
    named = registry.find(reference)  # by the registry itself: a mirror before it may be behind
    raw, media_type, digest = registry.manifest(reference if named is None else reference.at(named))
    given = []
    for tag in tags:
        at = reference.tagged(tag)
        before = registry.find(at)
        if before != digest:
            if before is not None and is_lock_tag(tag):
                raise lock_tag_moved(at, digest, before)
            registry.put_manifest(at, raw, media_type)
        given.append(Tagged(tag=tag, before=None if before == digest else before))
    return digest, tuple(given)


class _Walk:
    """Everything that an image consists of; documents in the order in which a registry takes them."""

    def __init__(self, source: Place) -> None:
        self._source = source
        self.documents: dict[str, tuple[Descriptor, bytes]] = {}
        self.blobs: dict[str, Descriptor] = {}
        self._left = _MOST_BYTES

    def image(self, descriptor: Descriptor, depth: int = 0) -> None:
        """Follow an index or manifest to everything that it names."""
        if descriptor.digest in self.documents:
            return
        self._left -= descriptor.size
        if self._left < 0:
            raise UsageError(
                "not-an-image",
                "What is copied has more manifests than an image has.",
                where=descriptor.digest,
                expected=f"at most {_MOST_BYTES} bytes of them, with what refers to it",
                hint="Copy without what refers to the image.",
            )
        raw = self._source.documents.raw(descriptor)
        if descriptor.media_type in (INDEX, DOCKER_INDEX) and depth < _DEEPEST:
            for child in parse_index(raw, descriptor.digest).manifests:
                self.image(child, depth + 1)
        elif descriptor.media_type in (MANIFEST, DOCKER_MANIFEST):
            manifest = parse_manifest(raw, descriptor.digest)
            for blob in (manifest.config, *manifest.layers):
                if not _is_foreign(blob):
                    self.blobs.setdefault(blob.digest, blob)
        else:
            raise UsageError(
                "not-an-image",
                "What is copied holds something that is neither an image nor an index.",
                where=descriptor.digest,
                found=descriptor.media_type,
            )
        self.documents[descriptor.digest] = (descriptor, raw)

    def referrers(self, top: Descriptor) -> tuple[Descriptor, ...]:
        """Follow what refers to the image, to manifests of its platforms, and to referrers themselves."""
        found: dict[str, Descriptor] = {}
        subjects = [top.digest, *(digest for digest in self.documents if digest != top.digest)]
        for _ in range(_DEEPEST):
            rows = [row for subject in subjects for row in self._source.documents.referrers(subject)]
            new = {row.digest: row for row in rows if row.digest not in found and row.digest not in self.documents}
            if not new:
                break
            for row in new.values():
                self.image(row)
            found |= new
            subjects = list(new)
        return tuple(self._described(found[digest]) for digest in sorted(found))

    def _described(self, row: Descriptor) -> Descriptor:
        """Return a referrer's descriptor with its artifact type, which tells it from an image (distribution-spec)."""
        if row.artifact_type:
            return row
        manifest = parse_manifest(self.documents[row.digest][1], row.digest)
        return msgspec.structs.replace(row, artifact_type=manifest.artifact_type or manifest.config.media_type)


def _copy_blobs(
    blobs: Sequence[Descriptor], source: Place, target: Place, progress: Progress
) -> list[Literal["sent", "mounted", "there"]]:
    def copy(blob: Descriptor) -> Literal["sent", "mounted", "there"]:
        if target.has(blob):
            return "there"
        with progress.task(f"Copying {blob.digest[7:19]}", blob.size, unit="bytes") as task:
            return "sent" if target.take(blob, source, task) else "mounted"

    with ThreadPoolExecutor(_CONNECTIONS, thread_name_prefix="copy") as threads:
        futures = [threads.submit(copy, blob) for blob in blobs]
        try:
            return [future.result() for future in futures]
        except BaseException:
            threads.shutdown(wait=True, cancel_futures=True)
            raise


def _is_foreign(blob: Descriptor) -> bool:
    """Tell layers that registries do not keep (image-spec, non-distributable layers; Docker's foreign ones)."""
    return ".nondistributable." in blob.media_type or ".foreign." in blob.media_type
