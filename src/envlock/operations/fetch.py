"""Brings the artifacts of a lock to this machine, each one checked by its digest before anything uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from envlock.errors import UsageError
from envlock.formats.contents import verify_wheel
from envlock.formats.pylock import wheels_of
from envlock.formats.wheel import open_wheel
from envlock.locking.select import Selected, select
from envlock.model.artifact import Deb, Requirement, Wheel
from envlock.model.edges import Archives, Artifacts, Downloads, Progress, Resolution, Resolver
from envlock.model.lock import Lock, Package
from envlock.model.platform import Platform

_CONNECTIONS = 4
BuildAgain = Callable[[Package, Wheel, Path], Path]
"""Builds a wheel of an sdist (a file at hand) again and returns it; it has the locked sha256."""


def fetch_wheels(
    lock: Lock,
    platform: Platform,
    *,
    folder: Path,
    resolver: Resolver,
    downloads: Downloads,
    artifacts: Artifacts,
    build_again: BuildAgain,
    progress: Progress,
) -> dict[str, Path]:
    """Return the path of each wheel by its sha256, from the cache, from beside the lock, or from the index.

    `folder` is the lock file's. Raises IntegrityError where bytes contradict the lock, UsageError (`gone`) where no
    index has a file any more.
    """
    wheels = wheels_of(lock, platform)
    found = {wheel.sha256: path for _, wheel in wheels if (path := _at_hand(wheel, folder, artifacts))}
    missing = [(package, wheel) for package, wheel in wheels if wheel.sha256 not in found]
    plain = [(package, wheel) for package, wheel in missing if package.build is None]
    urls = locate(
        [(p.name, p.version, w.sha256) for p, w in plain if w.url is None], lock, platform, resolver, cutoff=None
    ) | {w.sha256: w.url for _, w in plain if w.url is not None}

    def download(pair: tuple[Package, Wheel]) -> Path:
        package, wheel = pair
        return _download(
            wheel.name,
            wheel.sha256,
            wheel.size,
            urls.get(wheel.sha256),
            f"{package.name} {package.version}",
            downloads,
            artifacts,
            progress,
        )

    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        paths = pool.map(download, sorted(plain, key=lambda pair: -pair[1].size))
        found |= {
            pair[1].sha256: path for pair, path in zip(sorted(plain, key=lambda p: -p[1].size), paths, strict=True)
        }
    for package, wheel in missing:
        if package.build is not None:
            sdist = _fetch_sdist(package, lock, platform, resolver, downloads, artifacts, progress)
            found[wheel.sha256] = artifacts.put(build_again(package, wheel, sdist), wheel.sha256, wheel.name)
    _check_contents([wheel for _, wheel in wheels], found, progress)
    return found


def _at_hand(wheel: Wheel, folder: Path, artifacts: Artifacts) -> Path | None:
    cached = artifacts.get(wheel.sha256, wheel.name)
    beside = folder / wheel.path if wheel.path else None
    if cached is None and beside is not None and beside.is_file():
        artifacts.put(beside, wheel.sha256, wheel.name)
        cached = artifacts.get(wheel.sha256, wheel.name)
    return cached


def locate(
    pins: Sequence[tuple[str, str, str]], lock: Lock, platform: Platform, resolver: Resolver, *, cutoff: str | None
) -> dict[str, str | None]:
    """Ask this machine's index for the URLs of exact pins (name, version, sha256): any mirror will do."""
    if not pins:
        return {}
    glibc = lock.base.glibc if lock.base else DEFAULT_GLIBC
    packages = resolver.resolve(
        Resolution(
            requirements=tuple(f"{name}=={version}" for name, version, _ in pins),
            python=lock.python,
            machine=platform.machine,
            glibc=glibc,
            cutoff=cutoff,
            no_deps=True,
        )
    )
    offered = {}
    for package in packages:
        for raw in [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]:
            offered[raw.get("hashes", {}).get("sha256")] = raw.get("url")
    return {sha256: offered.get(sha256) for _, _, sha256 in pins}


DEFAULT_GLIBC = "2.28"
"""Assumed where no base says which, as by uv; a wheel that needs a newer one is not selected."""


def _fetch_sdist(
    package: Package,
    lock: Lock,
    platform: Platform,
    resolver: Resolver,
    downloads: Downloads,
    artifacts: Artifacts,
    progress: Progress,
) -> Path:
    if package.build is None:
        raise AssertionError(package.name)
    sdist = package.build.sdist
    cached = artifacts.get(sdist.sha256, sdist.name)
    if cached is not None:
        return cached
    urls = locate([(package.name, package.version, sdist.sha256)], lock, platform, resolver, cutoff=lock.as_of)
    return _download(
        sdist.name,
        sdist.sha256,
        sdist.size,
        urls[sdist.sha256],
        f"{package.name} {package.version}",
        downloads,
        artifacts,
        progress,
    )


def fetch_selected(row: Selected, downloads: Downloads, artifacts: Artifacts, progress: Progress) -> Path:
    """Return a file of a resolution that has just been made."""
    cached = artifacts.get(row.sha256, row.name)
    if cached is not None:
        return cached
    if row.path is not None:
        return artifacts.put(Path(row.path), row.sha256, row.name)
    place = artifacts.place(row.sha256, row.name)
    with progress.task(row.name, row.size, unit="bytes") as task:
        downloads.download(row.url or "", place, sha256=row.sha256, size=row.size, progress=task)
    return place


def _download(
    name: str,
    sha256: str,
    size: int,
    url: str | None,
    owner: str,
    downloads: Downloads,
    artifacts: Artifacts,
    progress: Progress,
) -> Path:
    if url is None:
        raise UsageError(
            "gone",
            f"This machine's index has no {name} with the locked sha256.",
            where=owner,
            expected=f"sha256 {sha256}",
            hint="Point UV_DEFAULT_INDEX at an index that has it, or put the file beside the lock.",
        )
    place = artifacts.place(sha256, name)
    with progress.task(name, size, unit="bytes") as task:
        downloads.download(url, place, sha256=sha256, size=size, progress=task)
    return place


def _check_contents(wheels: Iterable[Wheel], found: Mapping[str, Path], progress: Progress) -> None:
    """Confirm the provisional digests of wheels not read whole before; an empty file beside them remembers it."""
    unread = [w for w in wheels if not _mark(w, found).exists()]
    with progress.task("Checking wheels against the lock", sum(w.size for w in unread), unit="bytes") as task:

        def check(wheel: Wheel) -> None:
            with open_wheel(found[wheel.sha256], wheel.name) as file:
                verify_wheel(file, contents=wheel.contents, record=wheel.record)
            _mark(wheel, found).touch()
            task.advance(wheel.size)

        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            list(pool.map(check, sorted(unread, key=lambda wheel: -wheel.size)))


def _mark(wheel: Wheel, found: Mapping[str, Path]) -> Path:
    return found[wheel.sha256].with_name(f"contents-{wheel.contents}-{wheel.record}")


def fetch_debs(debs: Sequence[Deb], *, archives: Archives, artifacts: Artifacts, progress: Progress) -> dict[str, Path]:
    """Return the path of each Debian package by its sha256."""
    found = {deb.sha256: path for deb in debs if (path := artifacts.get(deb.sha256, _deb_name(deb)))}
    missing = [deb for deb in debs if deb.sha256 not in found]
    if not missing:
        return found
    with progress.task("Fetching Debian packages", sum(deb.size for deb in missing), unit="bytes") as task:

        def fetch(deb: Deb) -> tuple[str, Path]:
            place = artifacts.place(deb.sha256, _deb_name(deb))
            archives.deb(deb, place, task)
            return deb.sha256, place

        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            found.update(pool.map(fetch, missing))
    return found


def _deb_name(deb: Deb) -> str:
    return deb.path.rpartition("/")[2]


def place_beside(lock: Lock, found: Mapping[str, Path], folder: Path) -> int:
    """Fill the lock's relative paths with the fetched wheels, so that uv and pip install from the lock alone.

    Returns how many files were placed anew.
    """
    import shutil

    placed = 0
    for package in lock.packages:
        for wheel in package.wheels:
            if wheel.path is None or wheel.sha256 not in found:
                continue
            target = folder / wheel.path
            if target.is_file() and target.stat().st_size == wheel.size:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f".{target.name}.part")
            shutil.copyfile(found[wheel.sha256], part)
            part.replace(target)
            placed += 1
    return placed


def resolve_files(
    requirements: Sequence[str], *, python: str, platform: Platform, glibc: str, cutoff: str | None, resolver: Resolver
) -> list[Selected]:
    """Resolve requirements, such as those of a build, to exact files for one target."""
    packages = resolver.resolve(
        Resolution(
            requirements=tuple(sorted(requirements)),
            python=python,
            machine=platform.machine,
            glibc=glibc,
            cutoff=cutoff,
        )
    )
    return select(packages, python=python, platform=platform, glibc=glibc)


def fetch_located(
    requires: Sequence[Requirement],
    lock: Lock,
    platform: Platform,
    resolver: Resolver,
    downloads: Downloads,
    artifacts: Artifacts,
    progress: Progress,
) -> list[Path]:
    """Return the wheels of a locked build environment, in the order given."""
    found = {row.sha256: path for row in requires if (path := artifacts.get(row.sha256, row.file))}
    missing = [row for row in requires if row.sha256 not in found]
    urls = locate([(r.name, r.version, r.sha256) for r in missing], lock, platform, resolver, cutoff=lock.as_of)
    for row in missing:
        found[row.sha256] = _download(
            row.file,
            row.sha256,
            row.size,
            urls[row.sha256],
            f"{row.name} {row.version}",
            downloads,
            artifacts,
            progress,
        )
    return [found[row.sha256] for row in requires]
