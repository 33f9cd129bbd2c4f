"""Brings the artifacts of a lock to this machine, each one checked by its digest before anything uses it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from envlock.errors import IntegrityError, UsageError
from envlock.formats.beside import copy_beside
from envlock.formats.contents import verify_wheel
from envlock.formats.sha256 import file_sha256
from envlock.formats.wheel import open_wheel
from envlock.locking.digests import confirmation
from envlock.locking.opening import downloaded, once
from envlock.model.artifact import Deb, Wheel
from envlock.model.edges import Archives, Artifacts, Downloads, Progress, Resolution, Resolver
from envlock.model.lock import Lock
from envlock.model.platform import Platform

_CONNECTIONS = 4


def at_hand(wheel: Wheel, folder: Path, artifacts: Artifacts) -> Path | None:
    """Return a locked wheel from the cache or from beside the lock, its sha256 verified."""
    cached = artifacts.get(wheel.sha256, wheel.name)
    beside = folder / wheel.path if wheel.path else None
    if cached is None and beside is not None and beside.is_file():
        found = file_sha256(beside)
        if found != wheel.sha256:
            raise IntegrityError(
                "not-the-locked-wheel",
                "The file beside the lock is not the locked wheel.",
                where=str(beside),
                expected=f"sha256 {wheel.sha256}",
                found=f"sha256 {found}",
                hint="Delete it and run the command again: the right one is fetched.",
            )
        cached = artifacts.put(beside, wheel.sha256, wheel.name)
    if cached is not None and cached.stat().st_size != wheel.size:
        raise IntegrityError(
            "size-mismatch",
            "The lock gives the wheel another size than the file with its sha256 has.",
            where=wheel.name,
            expected=f"{wheel.size} bytes",
            found=f"{cached.stat().st_size} bytes",
            hint="The lock was edited: run `envlock lock` again and compare.",
        )
    return cached


def locate(
    pins: Sequence[tuple[str, str, str]], lock: Lock, platform: Platform, resolver: Resolver, *, cutoff: str | None
) -> dict[str, str | None]:
    """Ask this machine's indexes for the URLs of exact pins (name, version, sha256): any mirror will do.

    Returns sha256 to URL, None for a file that none of them has.
    """
    if not pins:
        return {}
    glibc = lock.base.glibc if lock.base else DEFAULT_GLIBC
    wanted = Resolution(
        requirements=tuple(f"{name}=={version}" for name, version, _ in pins),
        python=lock.python,
        platform=platform,
        glibc=glibc,
        cutoff=cutoff,
        no_deps=True,
    )
    try:
        packages = resolver.resolve(wanted)
    except UsageError as error:
        if error.reference != "unsatisfiable":
            raise
        if len(pins) == 1:
            return {pins[0][2]: None}
        # One release that is gone must not hide the others.
        return {k: v for pin in pins for k, v in locate([pin], lock, platform, resolver, cutoff=cutoff).items()}
    offered = {}
    for package in packages:
        for raw in [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]:
            offered[raw.get("hashes", {}).get("sha256")] = raw.get("url")
    return {sha256: offered.get(sha256) for _, _, sha256 in pins}


DEFAULT_GLIBC = "2.28"
"""Assumed where no base says which, as by uv; a wheel that needs a newer one is not selected."""


def download(
    name: str,
    sha256: str,
    size: int | None,
    url: str | None,
    owner: str,
    downloads: Downloads,
    artifacts: Artifacts,
    progress: Progress,
) -> Path:
    """Bring a locked file into the cache; UsageError (`gone`) where the index has none with its sha256.

    `url` is of the scheme file where the index is a folder of this machine.
    """
    if url is None:
        raise UsageError(
            "gone",
            f"This machine's index has no {name} with the locked sha256.",
            where=owner,
            expected=f"sha256 {sha256}",
            hint="Point UV_DEFAULT_INDEX at an index that has it, or put the file beside the lock. "
            "Without a network: envlock fetch --to DIR elsewhere, envlock fetch --from DIR here.",
        )
    parts = urlsplit(url)
    if parts.scheme == "file":
        return artifacts.put(Path(url2pathname(parts.path)), sha256, name)
    return downloaded(name, sha256, size, url, downloads, artifacts, progress)


def check_contents(wheel: Wheel, path: Path, progress: Progress) -> None:
    """Confirm the provisional digests of a wheel not read whole before; an empty file beside it remembers that."""
    mark = confirmation(path, wheel.contents, wheel.record)
    if mark.exists():
        return
    with open_wheel(path, wheel.name) as file:
        total = sum(entry.size for entry in file.entries)
        with progress.task(f"Checking {wheel.name}", total, unit="bytes") as task:
            verify_wheel(file, contents=wheel.contents, record=wheel.record, advance=task.advance)
    mark.touch()


def fetch_debs(debs: Sequence[Deb], *, archives: Archives, artifacts: Artifacts, progress: Progress) -> dict[str, Path]:
    """Return the path of each Debian package by its sha256."""
    found = {deb.sha256: path for deb in debs if (path := artifacts.get(deb.sha256, deb_name(deb)))}
    missing = [deb for deb in debs if deb.sha256 not in found]
    if not missing:
        return found
    with progress.task("Fetching Debian packages", sum(deb.size for deb in missing), unit="bytes") as task:

        def fetch(deb: Deb) -> tuple[str, Path]:
            return deb.sha256, once(artifacts, deb.sha256, deb_name(deb), lambda place: archives.deb(deb, place, task))

        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            found.update(pool.map(fetch, missing))
    return found


def deb_name(deb: Deb) -> str:
    """Return the file name of a Debian package."""
    return deb.path.rpartition("/")[2]


def place_beside(lock: Lock, found: Mapping[str, Path], folder: Path) -> int:
    """Fill the lock's relative paths with fetched files, so that uv and pip install from the lock alone.

    What run steps changed is among them. Returns how many files were placed anew.
    """
    rows = [(wheel.path, wheel.sha256) for package in lock.packages for wheel in package.wheels]
    rows += [(row.path, row.sha256) for row in (lock.base.run_layers if lock.base is not None else ())]
    placed = 0
    for path, sha256 in rows:
        if path is None or sha256 not in found:
            continue
        target = folder / path
        if target.is_file() and file_sha256(target) == sha256:
            continue
        copy_beside(found[sha256], target)
        placed += 1
    return placed
