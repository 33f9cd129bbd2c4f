"""`envlock build`: the image of a lock, made of what is on this machine and of what is fetched for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from envlock.formats.base_documents import BaseDocuments
from envlock.formats.oci import LAYER, Descriptor
from envlock.formats.wheel import WheelFile
from envlock.image.oci import Image
from envlock.image.plan import PlannedLayer, image_of
from envlock.image.sums import Sums
from envlock.model.artifact import Deb, Wheel
from envlock.model.lock import Base, LockFile
from envlock.model.platform import Platform, image_platforms
from envlock.model.reference import Reference
from envlock.operations.base_layers import base_documents, base_layer
from envlock.operations.build import build, known_image
from envlock.operations.compilers import open_compiler
from envlock.operations.edges import Edges
from envlock.operations.fetch import fetch_debs
from envlock.operations.materials import Elsewhere, Materials, nowhere
from envlock.operations.remote_layers import RemoteLayers
from envlock.operations.steps import run_layer_path
from envlock.operations.wheels import Wheels


def build_image(
    lock_file: LockFile,
    *,
    folder: Path,
    sums: Path,
    edges: Edges,
    warn: Callable[[str], None],
    repositories: Sequence[Reference] = (),
    elsewhere: Elsewhere = nowhere,
    jobs: int | None = None,
    rebuild: bool = False,
) -> Image:
    """Return the image of a lock, its layers in the cache but for those that are `elsewhere`.

    Args:
        folder: the lock file's.
        sums: `envlock.sum`.
        repositories: where layers that `envlock.sum` vouches for may be, which are then brought instead of built.
        elsewhere: tells of a layer that is vouched for whether it is where the image goes.

    Wheels and Debian packages are fetched only for layers that have to be built.
    Raises what `operations.build.build` raises.
    """
    lock = lock_file.lock
    base, _ = image_of(lock)
    platforms = image_platforms(lock.platforms)
    sources = [Wheels(lock, platform, folder=folder, edges=edges) for platform in platforms]

    def source_of(wheel: Wheel) -> Wheels:
        return next(source for source in sources if source.holds(wheel))

    def wheel_path(wheel: Wheel) -> Path:
        return source_of(wheel).path(wheel)

    def listing(wheel: Wheel) -> AbstractContextManager[WheelFile]:
        return source_of(wheel).listing(wheel)

    remote = RemoteLayers(repositories, edges.registry, warn)

    def given(platform: Platform, planned: PlannedLayer) -> Path:
        layer = planned.given
        if layer is None or planned.kind == "run":
            return run_layer_path(lock, platform, folder, edges.artifacts, remote)
        return base_layer(lock, platform, Descriptor(media_type=LAYER, digest=layer.digest, size=layer.size), edges)

    materials = Materials(
        wheels=wheel_path,
        listing=listing,
        debs=_Debs(base, platforms, edges).path,
        compilers=lambda platform: open_compiler(lock, platform, edges),
        layers=edges.artifacts.folder("layers"),
        bytecode=edges.artifacts.folder("bytecode"),
        sums=sums,
        bases=lambda platform: base_documents(lock, platform, edges, warn),
        given=given,
        brought=remote,
        elsewhere=elsewhere,
    )
    return build(lock_file, materials=materials, progress=edges.progress, warn=warn, jobs=jobs, rebuild=rebuild)


def vouched_image(lock_file: LockFile, sums: Sums, edges: Edges) -> Image | None:
    """Return the documents of the image that `envlock.sum` vouches for, None where it does not know the lock's image.

    No layer is looked at. On a base from a registry, that one's documents are fetched unless they are in the cache.
    """
    platforms = image_platforms(lock_file.lock.platforms)
    if any((lock_file.digest, str(platform)) not in sums.images for platform in platforms):
        return None
    found = {platform: base_documents(lock_file.lock, platform, edges) for platform in platforms}
    bases: dict[Platform, BaseDocuments] = {platform: base for platform, base in found.items() if base is not None}
    image = known_image(lock_file, sums, bases)
    if image is None:
        return None
    same = all(
        sums.images[lock_file.digest, str(one.platform)] == one.manifest.descriptor.digest for one in image.platforms
    )
    return image if same else None


class _Debs:
    """All packages of a base, fetched together when the first one is asked for."""

    def __init__(self, base: Base, platforms: tuple[Platform, ...], edges: Edges) -> None:
        self._wanted = tuple({deb.sha256: deb for platform in platforms for deb in base.of(platform)}.values())
        self._edges = edges
        self._archives = edges.archives.at(base.suites)
        self._found: dict[str, Path] = {}
        self._guard = threading.Lock()

    def path(self, deb: Deb) -> Path:
        with self._guard:
            if not self._found:
                edges = self._edges
                self._found = fetch_debs(
                    self._wanted, archives=self._archives, artifacts=edges.artifacts, progress=edges.progress
                )
            return self._found[deb.sha256]
