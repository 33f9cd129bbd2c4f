"""Building a locked wheel again from its locked sdist and requirements, which must give the locked bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from envlock.errors import IntegrityError, UsageError
from envlock.formats.tags import target_tags
from envlock.locking.sdist import build_wheel
from envlock.model.artifact import Build, Requirement, Wheel
from envlock.model.lock import Lock, Package
from envlock.model.platform import Platform
from envlock.operations.edges import Edges
from envlock.operations.fetch import download, locate
from envlock.operations.roots import unpacked_root


def as_requirement(package: Package, wheel: Wheel) -> Requirement:
    """Return a locked wheel in the words of a build's requirements, which are built again just so."""
    return Requirement(
        name=package.name,
        version=package.version,
        file=wheel.name,
        size=wheel.size,
        sha256=wheel.sha256,
        build=package.build,
    )


def build_again(wheel: Requirement, *, lock: Lock, platform: Platform, edges: Edges) -> Path:
    """Build a wheel that was built when it was locked (`wheel.build` says of what), and return its path.

    Raises IntegrityError (`rebuild-mismatch`) where other bytes come out; UsageError (`no-build-root`, `gone`), and
    what the build raises.
    """
    build = wheel.build
    if lock.base is None or build is None:
        raise UsageError("no-build-root", f"{wheel.file} was built, but the lock has no base to build it in.")
    base = lock.base.builder
    sdist = _sdist(wheel, build, lock, platform, edges)
    fitting = _fitting(build.requires, lock.python, platform, base.glibc)
    paths = locked_requirements(fitting, lock, platform, edges)

    def locked(_: Sequence[str]) -> tuple[list[Requirement], list[Path]]:
        return fitting, paths

    built = build_wheel(
        sdist,
        name=wheel.name,
        version=wheel.version,
        root=unpacked_root(base, platform, edges, build=True),
        sandbox=edges.sandbox,
        requires=locked,
        interpreter=base.interpreter,
        destination=edges.artifacts.folder("built"),
        progress=edges.progress,
        base=unpacked_root(base, platform, edges, build=False),
    )
    if built.sha256 != wheel.sha256:
        raise IntegrityError(
            "rebuild-mismatch",
            f"{wheel.file} was built again from its locked sdist, and came out with other bytes.",
            where=f"{wheel.name} {wheel.version}",
            expected=f"sha256 {wheel.sha256}",
            found=f"sha256 {built.sha256}",
            hint="Take the wheel from whoever locked it, or lock again.",
        )
    return built.path


def _sdist(wheel: Requirement, build: Build, lock: Lock, platform: Platform, edges: Edges) -> Path:
    source = build.sdist
    cached = edges.artifacts.get(source.sha256, source.name)
    if cached is not None:
        return cached
    urls = locate([(wheel.name, wheel.version, source.sha256)], lock, platform, edges.resolver, cutoff=None)
    return _downloaded(source.name, source.sha256, source.size, urls[source.sha256], wheel, edges)


def _fitting(requires: Sequence[Requirement], python: str, platform: Platform, glibc: str) -> list[Requirement]:
    """Return the requirements of one platform's build; a lock of several platforms lists those of all."""
    from packaging.utils import parse_wheel_filename

    tags = frozenset(target_tags(python, platform, glibc))
    return [row for row in requires if not tags.isdisjoint(parse_wheel_filename(row.file)[3])]


def locked_requirements(requires: Sequence[Requirement], lock: Lock, platform: Platform, edges: Edges) -> list[Path]:
    """Return the wheels of a locked build environment, in the order given; some of them may have to be built again."""
    found = {row.sha256: path for row in requires if (path := edges.artifacts.get(row.sha256, row.file))}
    missing = [row for row in requires if row.sha256 not in found]
    pins = [(row.name, row.version, row.sha256) for row in missing if row.build is None]
    urls = locate(pins, lock, platform, edges.resolver, cutoff=None)
    for row in missing:
        if row.build is None:
            found[row.sha256] = _downloaded(row.file, row.sha256, row.size, urls[row.sha256], row, edges)
        else:
            path = build_again(row, lock=lock, platform=platform, edges=edges)
            found[row.sha256] = edges.artifacts.put(path, row.sha256, row.file)
    return [found[row.sha256] for row in requires]


def _downloaded(name: str, sha256: str, size: int, url: str | None, owner: Requirement, edges: Edges) -> Path:
    return download(
        name, sha256, size, url, f"{owner.name} {owner.version}", edges.downloads, edges.artifacts, edges.progress
    )
