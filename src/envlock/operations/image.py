"""`envlock build`: the image of a lock, made of what is on this machine and of what is fetched for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from envlock.errors import UsageError
from envlock.image.oci import Image
from envlock.model.artifact import Deb, Wheel
from envlock.model.edges import Compiler
from envlock.model.lock import Base, LockFile
from envlock.model.platform import Platform, image_platforms
from envlock.operations.build import Materials, build
from envlock.operations.edges import Edges
from envlock.operations.fetch import fetch_debs
from envlock.operations.roots import unpacked_root
from envlock.operations.wheels import Wheels


def build_image(
    lock_file: LockFile,
    *,
    folder: Path,
    sums: Path,
    edges: Edges,
    warn: Callable[[str], None],
    jobs: int | None = None,
    rebuild: bool = False,
) -> Image:
    """Return the image of a lock, its layers in the cache; `folder` is the lock file's.

    Wheels and Debian packages are fetched only for layers that have to be built.
    """
    lock = lock_file.lock
    base = lock.base
    if base is None:
        raise UsageError(
            "no-image",
            f"Environment {lock.env!r} has no image.",
            hint=f'Name a base: [env.{lock.env}.image] base = "debian-bookworm-python3.11", then `envlock lock`.',
        )
    if base.image is not None:
        raise UsageError(
            "unbuildable-base",
            f"Environment {lock.env!r} stands on an image of a registry; envlock builds on package bases only.",
            found=base.image.reference,
            hint="Build on a recipe of images/; lock, sync, verify and export work with this base.",
        )
    platforms = image_platforms(lock.platforms)
    sources = [Wheels(lock, platform, folder=folder, edges=edges) for platform in platforms]

    def wheel_path(wheel: Wheel) -> Path:
        return next(source for source in sources if source.holds(wheel)).path(wheel)

    @contextmanager
    def compiler(platform: Platform) -> Iterator[Compiler]:
        root = unpacked_root(base, platform, edges, build=False)
        with edges.compiler(root, base.interpreter) as opened:
            yield opened

    materials = Materials(
        wheels=wheel_path,
        debs=_Debs(base, platforms, edges).path,
        compilers=compiler,
        layers=edges.artifacts.folder("layers"),
        sums=sums,
    )
    return build(lock_file, materials=materials, progress=edges.progress, warn=warn, jobs=jobs, rebuild=rebuild)


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
