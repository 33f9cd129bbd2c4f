"""The base of an image that comes from a registry: its documents, and its layers where they are needed, by digest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from envlock.errors import UsageError
from envlock.formats.base_documents import BaseDocuments, read_base
from envlock.formats.blob import checked, refuse_large, write_blob
from envlock.formats.oci import Config, Descriptor, Manifest, parse_config, parse_manifest
from envlock.locking.opening import once
from envlock.model.lock import BaseImage, Lock
from envlock.model.platform import Platform
from envlock.model.reference import Reference
from envlock.operations.edges import Edges


def base_reference(lock: Lock, platform: Platform) -> Reference | None:
    """Return where the base of one platform is, by the locked digest; None for a base of packages alone.

    Raises UsageError (`no-platform`) for a lock that was edited.
    """
    base = lock.base
    if base is None or base.image is None:
        return None
    digest = next((row.digest for row in base.image.manifests if row.platform == str(platform)), None)
    if digest is None:
        raise UsageError(
            "no-platform",
            f"The lock has no base for {platform}.",
            where=base.image.reference,
            expected=str(platform),
            found=", ".join(row.platform for row in base.image.manifests) or "none",
            hint="The lock was edited or merged by hand: run `envlock lock` again.",
        )
    return Reference.parse(base.image.reference).at(digest)


def base_documents(
    lock: Lock, platform: Platform, edges: Edges, warn: Callable[[str], None] | None = None
) -> BaseDocuments | None:
    """Return the manifest and configuration of a registry base; None for a base of packages alone.

    They come from the cache, else from the registry, by the locked digest. Where the registry is asked anyway, `warn`
    is told of a tag that names another image by now; it decides nothing. Raises what
    `formats.base_documents.read_base` raises, IntegrityError (`bad-image`, `digest-mismatch`) and what the registry
    raises.
    """
    at = base_reference(lock, platform)
    if at is None or at.digest is None or lock.base is None or lock.base.image is None:
        return None
    known = edges.artifacts.get(at.digest.removeprefix("sha256:"), "manifest") is not None
    manifest = _manifest(at, at.digest, edges)
    if warn and not known and lock.base.image.manifests[0].platform == str(platform):
        _tell_of_moved_tag(lock.base.image, edges, warn)
    return read_base(at, manifest, _config(at, manifest.config, edges))


def _tell_of_moved_tag(image: BaseImage, edges: Edges, warn: Callable[[str], None]) -> None:
    """Compare what a base's tag names now with what is locked; a registry that does not say it is no error."""
    named = Reference.parse(image.reference)
    locked = image.index or image.manifests[0].digest
    if named.digest is not None:
        return
    try:
        found = edges.registry().find(named)
    except UsageError:
        return
    if found not in (None, locked):
        warn(
            f"{image.reference} names another image by now, {found}; the locked one is built on, {locked}. "
            "`envlock lock --base` takes the new one."
        )


def base_layer(lock: Lock, platform: Platform, layer: Descriptor, edges: Edges) -> Path:
    """Return the blob of a base's layer, streamed into the cache once for all processes, verified at every use.

    Raises IntegrityError (`digest-mismatch`) and what the registry raises.
    """
    at = base_reference(lock, platform)
    if at is None:
        raise ValueError("a base of packages alone has no layers in a registry")
    reference = at

    def bring(place: Path) -> None:
        with edges.progress.task(f"Layer {layer.digest[7:19]} of {at.repository}", layer.size, unit="bytes") as task:
            write_blob(place, _checked(edges, reference, layer), progress=task)

    return _cached(layer.digest, "layer", bring, edges)


def _manifest(at: Reference, digest: str, edges: Edges) -> Manifest:
    def bring(place: Path) -> None:
        raw, _, _ = edges.registry().manifest(at)
        write_blob(place, (raw,))

    return parse_manifest(_cached(digest, "manifest", bring, edges).read_bytes(), str(at))


def _config(at: Reference, wanted: Descriptor, edges: Edges) -> Config:
    refuse_large(wanted.size, str(at))

    def bring(place: Path) -> None:
        write_blob(place, _checked(edges, at, wanted))

    return parse_config(_cached(wanted.digest, "config", bring, edges).read_bytes(), str(at))


def _checked(edges: Edges, at: Reference, blob: Descriptor) -> Iterator[bytes]:
    """Yield a blob; its digest is checked by the registry's client."""
    return checked(edges.registry().blob(at, blob.digest), blob.size, where=f"{at}, {blob.digest[:19]}")


def _cached(digest: str, name: str, bring: Callable[[Path], None], edges: Edges) -> Path:
    return once(edges.artifacts, digest.removeprefix("sha256:"), name, bring)
