"""The wheels of a lock at hand: fetched, or built again from their sdists with the locked bytes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from envlock.errors import IntegrityError, UsageError
from envlock.formats.pylock import wheels_of
from envlock.locking.sdist import build_wheel
from envlock.model.artifact import Build, Requirement, Wheel
from envlock.model.lock import Lock, Package
from envlock.model.platform import Platform
from envlock.operations.edges import Edges
from envlock.operations.fetch import at_hand, check_contents, download, fetch_located, locate
from envlock.operations.roots import unpacked_root

_CONNECTIONS = 4


class Wheels:
    """Brings each wheel of a lock and platform to this machine when it is asked for, once.

    A wheel comes from the cache, from beside the lock, from the index, or is built again. Safe to use from several
    threads.
    """

    def __init__(self, lock: Lock, platform: Platform, *, folder: Path, edges: Edges) -> None:
        self._lock = lock
        self._platform = platform
        self._folder = folder
        self._edges = edges
        self._packages = {wheel.sha256: (package, wheel) for package, wheel in wheels_of(lock, platform)}
        self._guards = {sha256: threading.Lock() for sha256 in self._packages}
        self._found: dict[str, Path] = {}
        self._urls: dict[str, str | None] | None = None
        self._locating = threading.Lock()

    def holds(self, wheel: Wheel) -> bool:
        """Tell whether this platform installs the wheel."""
        return wheel.sha256 in self._packages

    def all(self) -> dict[str, Path]:
        """Return the path of every wheel by its sha256, the largest fetched first."""
        wheels = sorted((wheel for _, wheel in self._packages.values()), key=lambda wheel: -wheel.size)
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            return dict(zip([wheel.sha256 for wheel in wheels], pool.map(self.path, wheels), strict=True))

    def path(self, wheel: Wheel) -> Path:
        """Return the file of one wheel, its sha256 and `contents` verified.

        Raises IntegrityError where bytes contradict the lock, UsageError (`gone`) where no index has the file.
        """
        with self._guards[wheel.sha256]:
            if wheel.sha256 not in self._found:
                path = at_hand(wheel, self._folder, self._edges.artifacts) or self._obtain(wheel)
                check_contents(wheel, path, self._edges.progress)
                self._found[wheel.sha256] = path
            return self._found[wheel.sha256]

    def _obtain(self, wheel: Wheel) -> Path:
        package, _ = self._packages[wheel.sha256]
        if package.build is not None:
            return self._edges.artifacts.put(self._build_again(package, package.build, wheel), wheel.sha256, wheel.name)
        url = wheel.url or self._located().get(wheel.sha256)
        return self._download(wheel.name, wheel.sha256, wheel.size, url, package)

    def _located(self) -> dict[str, str | None]:
        """Ask the index once for the URLs of all wheels that the lock gives none for."""
        with self._locating:
            if self._urls is None:
                pins = [
                    (package.name, package.version, wheel.sha256)
                    for package, wheel in self._packages.values()
                    if wheel.url is None and package.build is None
                ]
                with self._edges.progress.task("Asking the index for the locked files"):
                    self._urls = locate(pins, self._lock, self._platform, self._edges.resolver, cutoff=None)
            return self._urls

    def _download(self, name: str, sha256: str, size: int, url: str | None, package: Package) -> Path:
        owner = f"{package.name} {package.version}"
        return download(
            name, sha256, size, url, owner, self._edges.downloads, self._edges.artifacts, self._edges.progress
        )

    def _sdist(self, package: Package, build: Build) -> Path:
        cached = self._edges.artifacts.get(build.sdist.sha256, build.sdist.name)
        if cached is not None:
            return cached
        pin = (package.name, package.version, build.sdist.sha256)
        urls = locate([pin], self._lock, self._platform, self._edges.resolver, cutoff=self._lock.as_of)
        url = urls[build.sdist.sha256]
        return self._download(build.sdist.name, build.sdist.sha256, build.sdist.size, url, package)

    def _build_again(self, package: Package, build: Build, wheel: Wheel) -> Path:
        base, edges = self._lock.base, self._edges
        if base is None:
            raise UsageError("no-build-root", f"{wheel.name} was built, but the lock has no base to build it in.")
        sdist = self._sdist(package, build)
        requires = fetch_located(
            build.requires, self._lock, self._platform, edges.resolver, edges.downloads, edges.artifacts, edges.progress
        )

        def locked(_: Sequence[str]) -> tuple[list[Requirement], list[Path]]:
            return list(build.requires), requires

        root = unpacked_root(base, self._platform, edges, build=True)
        built = build_wheel(
            sdist,
            name=package.name,
            version=package.version,
            root=root,
            sandbox=edges.sandbox,
            requires=locked,
            interpreter=base.interpreter,
            destination=edges.artifacts.folder("built"),
            progress=edges.progress,
            base=unpacked_root(base, self._platform, edges, build=False),
        )
        if built.sha256 != wheel.sha256:
            raise IntegrityError(
                "rebuild-mismatch",
                f"{wheel.name} was built again from its locked sdist, and came out with other bytes.",
                where=f"{package.name} {package.version}",
                expected=f"sha256 {wheel.sha256}",
                found=f"sha256 {built.sha256}",
                hint="Take the wheel from whoever locked it, or lock again.",
            )
        return built.path
