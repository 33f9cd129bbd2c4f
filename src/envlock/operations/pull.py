"""`envlock pull`: the image of a lock from its repository, no byte of it believed before its digest was right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NoReturn

from envlock.errors import IntegrityError, UsageError
from envlock.formats.layer_reader import read_layer
from envlock.formats.oci import CONFIG, INDEX, Descriptor, Manifest, parse_config, parse_index, parse_manifest
from envlock.image.layer import Layer
from envlock.image.layer_cache import LayerCache
from envlock.image.oci import LABEL_ENV, LABEL_LOCK, Blob, Image, PlatformImage
from envlock.image.plan import PlannedLayer
from envlock.image.sums import read_sums
from envlock.locking.opening import once
from envlock.model.artifact import Deb, Wheel
from envlock.model.edges import Compiler, Registry, Task
from envlock.model.lock import LockFile
from envlock.model.platform import Platform, image_platforms
from envlock.model.reference import Reference
from envlock.operations.base_layers import base_documents
from envlock.operations.build import build
from envlock.operations.documents import RegistryDocuments
from envlock.operations.edges import Edges
from envlock.operations.image import vouched_image
from envlock.operations.materials import Materials
from envlock.operations.remote_layers import bring_layer

_CONNECTIONS = 4
_LOCK_LAYER = 16 << 20
"""Bytes: locks have some hundred KiB."""


def pull_image(
    lock_file: LockFile,
    repository: Reference,
    tag: str | None,
    *,
    sums: Path,
    edges: Edges,
    warn: Callable[[str], None],
) -> Image:
    """Return the image of a lock, its layers on this machine.

    Which image that is, `envlock.sum` says, whatever a tag names by now. An image that it does not know must carry the
    lock's labels and hold the lock itself, and is kept apart from layers that are vouched for.

    Args:
        tag: where the image is looked for; the lock's own where None.

    Raises UsageError (`not-pushed`, `no-image`), IntegrityError (`not-the-locked-image`, `digest-mismatch`), and what
    the registry raises.
    """
    registry = edges.registry()
    known = vouched_image(lock_file, read_sums(sums), edges)
    if known is None:
        return _Unvouched(lock_file, repository, registry, edges).image(tag, warn)
    expected = known.index.descriptor.digest
    if registry.find(repository.at(expected)) is None:
        raise UsageError(
            "not-pushed",
            "The repository does not have the image of this lock.",
            where=repository.name,
            expected=f"index {expected}",
            hint=f"Publish it: envlock push {lock_file.lock.env}, with -t {repository.name}:TAG where the manifest "
            "names another repository. Or build it here: envlock build",
        )
    asked = repository.tagged(tag or known.tag)
    found = registry.find(asked)
    if found is None and tag is not None:
        warn(f"{asked} names nothing; what the lock says is pulled: {expected}")
    elif found not in (None, expected):
        warn(f"{asked} names another image by now, {found}; what the lock says is pulled: {expected}")
    return build(
        lock_file,
        materials=_pulled_materials(lock_file, repository, registry, sums, edges),
        progress=edges.progress,
        warn=warn,
    )


def _pulled_materials(
    lock_file: LockFile, repository: Reference, registry: Registry, sums: Path, edges: Edges
) -> Materials:
    """Return materials of which every layer comes from the repository: nothing is built."""

    def brought(layer: Layer, path: Path, task: Task) -> bool:
        bring_layer(registry, repository, layer, path, task)
        return True

    def given(platform: Platform, planned: PlannedLayer) -> Path:  # noqa: ARG001 - a digest is enough
        layer = planned.given
        if layer is None:
            raise ValueError(f"{planned.title} has no digest")

        def bring(place: Path) -> None:
            with edges.progress.task(planned.title, layer.size, unit="bytes") as task:
                bring_layer(registry, repository, layer, place, task)

        return once(edges.artifacts, layer.digest.removeprefix("sha256:"), "layer", bring)

    def unbuilt(_: Wheel | Deb) -> NoReturn:
        raise UsageError(
            "not-pulled", "A layer of the image could not be pulled.", hint="Build it instead: envlock build"
        )

    def uncompiled(_: Platform) -> AbstractContextManager[Compiler]:
        raise UsageError("not-pulled", "A layer of the image could not be pulled.")

    return Materials(
        wheels=unbuilt,
        debs=unbuilt,
        compilers=uncompiled,
        layers=edges.artifacts.folder("layers"),
        sums=sums,
        bases=lambda platform: base_documents(lock_file.lock, platform, edges),
        given=given,
        brought=brought,
    )


class _Unvouched:
    """An image that `envlock.sum` does not know: what it says of itself has to fit the lock, and hold together."""

    def __init__(self, lock_file: LockFile, repository: Reference, registry: Registry, edges: Edges) -> None:
        self._lock_file = lock_file
        self._repository = repository
        self._registry = registry
        self._edges = edges
        self._documents = RegistryDocuments(registry, repository)
        self._cache = LayerCache(edges.artifacts.folder("pulled"))

    def image(self, tag: str | None, warn: Callable[[str], None]) -> Image:
        """Return the image that the tag names."""
        lock_digest = self._lock_file.digest
        asked = self._repository.tagged(tag or f"lock-{lock_digest[:32]}")
        raw, media_type, digest = self._registry.manifest(asked)
        if media_type != INDEX:
            self._refuse("its tag names no image index", expected=INDEX, found=media_type)
        index = Blob(descriptor=Descriptor(media_type=media_type, digest=digest, size=len(raw)), raw=raw)
        rows = parse_index(raw, str(asked)).manifests
        offered = {f"{row.platform.os}/{row.platform.architecture}" if row.platform else "no platform" for row in rows}
        wanted = image_platforms(self._lock_file.lock.platforms)
        # Each platform once: of two, an Engine may start the one that was not looked at.
        if {str(platform) for platform in wanted} != offered or len(rows) != len(wanted):
            self._refuse(
                "it is of other platforms than the lock",
                expected=", ".join(map(str, wanted)),
                found=f"{len(rows)} images: {', '.join(sorted(offered))}",
            )
        by_platform = {(row.platform.os, row.platform.architecture): row for row in rows if row.platform}
        platforms = tuple(self._platform(each, by_platform[each.os, each.architecture]) for each in wanted)
        warn(
            "lockfiles/envlock.sum does not know this image: it holds this lock and its bytes fit its digests, but "
            "only the registry says that it was built from the lock. `envlock build` proves it."
        )
        layers = {layer.digest: layer for platform in platforms for layer in platform.layers}
        with ThreadPoolExecutor(_CONNECTIONS, thread_name_prefix="pull") as threads:
            files = dict(zip(layers, threads.map(self._layer, layers.values()), strict=True))
        return Image(lock_digest=lock_digest, index=index, platforms=platforms, files=files)

    def _platform(self, platform: Platform, descriptor: Descriptor) -> PlatformImage:
        manifest = Blob(descriptor=descriptor, raw=self._documents.raw(descriptor))
        parsed = parse_manifest(manifest.raw, descriptor.digest)
        config = Blob(descriptor=parsed.config, raw=self._documents.raw(parsed.config))
        content = parse_config(config.raw, parsed.config.digest)
        expected = {LABEL_LOCK: f"sha256:{self._lock_file.digest}", LABEL_ENV: self._lock_file.lock.env}
        for label, value in expected.items():
            if content.labels.get(label) != value:
                self._refuse(
                    f"its label {label} is not the lock's", expected=value, found=content.labels.get(label, "no label")
                )
        if (content.os, content.architecture) != (platform.os, platform.architecture):
            found = f"{content.os}/{content.architecture}"
            self._refuse("its configuration is of another platform", expected=str(platform), found=found)
        diff_ids = content.rootfs.diff_ids
        if parsed.config.media_type != CONFIG or not diff_ids or len(diff_ids) != len(parsed.layers):
            self._refuse("its manifest and configuration do not fit together")
        self._check_lock_layer(parsed, diff_ids[-1])
        layers = tuple(
            Layer(digest=row.digest, diff_id=diff_id, size=row.size, media_type=row.media_type)
            for row, diff_id in zip(parsed.layers, diff_ids, strict=True)
        )
        return PlatformImage(platform=platform, layers=layers, config=config, manifest=manifest)

    def _check_lock_layer(self, manifest: Manifest, diff_id: str) -> None:
        last = manifest.layers[-1]
        if last.size > _LOCK_LAYER:
            self._refuse("its last layer is not a lock's", found=f"{last.size} bytes")
        name = f"opt/envlock/pylock.{self._lock_file.lock.env}.toml"
        blob = self._registry.blob(self._repository, last.digest)
        found = []
        for entry, body in read_layer(blob, where=last.digest, digest=last.digest, diff_id=diff_id):
            if entry.kind == "dir":
                continue
            expected = (name, "file", len(self._lock_file.raw))
            if (entry.path, entry.kind, entry.size) != expected or b"".join(body) != self._lock_file.raw:
                self._refuse("its last layer does not hold this lock", expected=name, found=entry.path)
            found.append(entry.path)
        if found != [name]:
            self._refuse("its last layer does not hold this lock alone", expected=name, found=f"{len(found)} files")

    def _layer(self, layer: Layer) -> Path:
        """Bring a layer and read it whole: nobody vouches for its diff ID."""
        key = layer.digest.removeprefix("sha256:")
        path = self._cache.blob(key)
        with (
            self._edges.progress.task(f"Pulling {key[:12]}", 2 * layer.size, unit="bytes") as task,
            self._cache.held(key, task),
        ):
            if self._cache.known(key) == layer and self._cache.is_whole(key, layer):
                return path
            self._cache.drop(key)
            bring_layer(self._registry, self._repository, layer, path, task)
            for _ in read_layer(_pieces(path, task), where=layer.digest, diff_id=layer.diff_id):
                pass
            self._cache.keep(key, layer)
            return path

    def _refuse(self, why: str, *, expected: str = "", found: str = "") -> NoReturn:
        raise IntegrityError(
            "not-the-locked-image",
            f"The image in the registry is not of this lock: {why}.",
            where=self._repository.name,
            expected=expected,
            found=found,
            hint="Build it here instead: envlock build",
        )


def _pieces(path: Path, task: Task) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while piece := file.read(1 << 16):
            task.advance(len(piece))
            yield piece
