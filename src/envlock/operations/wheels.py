"""The wheels of a lock at hand: fetched, or built again from their sdists with the locked bytes."""

from __future__ import annotations

from pathlib import Path

from envlock.errors import IntegrityError, UsageError
from envlock.locking.sdist import build_wheel
from envlock.model.artifact import Requirement, Wheel
from envlock.model.lock import Lock, Package
from envlock.model.platform import Platform
from envlock.operations.edges import Edges
from envlock.operations.fetch import fetch_located, fetch_wheels
from envlock.operations.roots import unpacked_root


def wheels_at_hand(lock: Lock, platform: Platform, *, folder: Path, edges: Edges) -> dict[str, Path]:
    """Return the path of each wheel of one platform by its sha256; `folder` is the lock file's."""

    def build_again(package: Package, wheel: Wheel, sdist: Path) -> Path:
        return _build_again(lock, package, wheel, sdist, platform, edges)

    return fetch_wheels(
        lock,
        platform,
        folder=folder,
        resolver=edges.resolver,
        downloads=edges.downloads,
        artifacts=edges.artifacts,
        build_again=build_again,
        progress=edges.progress,
    )


def _build_again(lock: Lock, package: Package, wheel: Wheel, sdist: Path, platform: Platform, edges: Edges) -> Path:
    build, base = package.build, lock.base
    if build is None or base is None:
        raise UsageError("no-build-root", f"{wheel.name} was built, but the lock has no base to build it in.")
    paths = fetch_located(
        build.requires, lock, platform, edges.resolver, edges.downloads, edges.artifacts, edges.progress
    )
    root = unpacked_root(base, platform, edges, build=True)

    def locked(_: object) -> tuple[list[Requirement], list[Path]]:
        return list(build.requires), paths

    with edges.progress.task(f"Building {wheel.name} again"):
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
