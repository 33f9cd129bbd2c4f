"""The artifacts of locks in a folder that travels to a machine without a network, and back into a cache there.

The folder is laid out as the cache is, ``files/<sha256>/<name>``, so that it can be one (``ENVLOCK_CACHE_DIR``) too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from envlock.errors import IntegrityError, UsageError
from envlock.formats.beside import copy_beside
from envlock.formats.pylock import wheels_of
from envlock.formats.sha256 import file_sha256
from envlock.formats.tags import best_of
from envlock.model.artifact import Build, Deb, FileName, Requirement, Sha256, Wheel
from envlock.model.edges import Artifacts, Progress
from envlock.model.lock import Lock, Package
from envlock.model.platform import Platform
from envlock.operations.edges import Edges
from envlock.operations.fetch import deb_name, fetch_debs
from envlock.operations.materials import Brought, from_nowhere
from envlock.operations.rebuild import locked_requirements
from envlock.operations.steps import NAME, run_layer_of, run_layer_path
from envlock.operations.wheels import Wheels

_SHOWN = 5


class Artifact(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One file that a lock vouches for."""

    name: FileName
    sha256: Sha256
    size: int

    def below(self, folder: Path) -> Path:
        """Return its place in a folder laid out as the cache is."""
        return folder / "files" / self.sha256 / self.name


def artifacts_of(lock: Lock, platforms: Iterable[Platform]) -> tuple[Artifact, ...]:
    """Return every file that building, syncing and verifying need, sorted.

    Wheels, what they were built of, Debian packages, what run steps changed.
    """
    found = set()
    for platform in platforms:
        for package, wheel in wheels_of(lock, platform):
            found.add(Artifact(name=wheel.name, sha256=wheel.sha256, size=wheel.size))
            for row in _sources(package, wheel, platform):
                found.add(Artifact(name=row.file, sha256=row.sha256, size=row.size))
        for deb in debs_of(lock, platform):
            found.add(Artifact(name=deb_name(deb), sha256=deb.sha256, size=deb.size))
        steps = run_layer_of(lock.base, platform) if lock.base is not None else None
        if steps is not None:
            found.add(Artifact(name=NAME, sha256=steps.sha256, size=steps.size))
    return tuple(sorted(found))


def fetch_all(
    lock: Lock, platforms: Sequence[Platform], *, folder: Path, edges: Edges, brought: Brought = from_nowhere
) -> dict[str, Path]:
    """Bring all of `artifacts_of` into the cache; `folder` is the lock file's, `brought` asks registries.

    Returns the wheels, and what run steps changed, by sha256: what a lock can have beside it.
    Raises UsageError (`gone`) where an index or mirror no longer has a file, `no-run-layer`; IntegrityError where bytes
    contradict the lock.
    """
    found: dict[str, Path] = {}
    for platform in platforms:
        found |= Wheels(lock, platform, folder=folder, edges=edges).all()
        for package, wheel in wheels_of(lock, platform):
            for row in _sources(package, wheel, platform):
                locked_requirements([row], lock, platform, edges)
        debs = debs_of(lock, platform)
        if lock.base is not None and debs:
            archives = edges.archives.at(lock.base.suites)
            fetch_debs(debs, archives=archives, artifacts=edges.artifacts, progress=edges.progress)
        steps = run_layer_of(lock.base, platform) if lock.base is not None else None
        if steps is not None:
            found[steps.sha256] = run_layer_path(lock, platform, folder, edges.artifacts, brought)
    return found


def debs_of(lock: Lock, platform: Platform) -> Sequence[Deb]:
    """Return the Debian packages of an image, and of the root that its wheels were built in."""
    return lock.base.build_root_of(platform) if lock.base is not None and platform.is_linux else ()


def _sources(package: Package, wheel: Wheel, platform: Platform) -> Iterator[Requirement]:
    """Yield what a wheel was built of, its sdist as if it were a wheel: nothing for one that an index has."""
    if package.build is None or not package.built(wheel):
        return
    yield from _inputs(package.name, package.version, package.build, platform)


def _inputs(name: str, version: str, build: Build, platform: Platform) -> Iterator[Requirement]:
    sdist = build.sdist
    yield Requirement(name=name, version=version, file=sdist.name, size=sdist.size, sha256=sdist.sha256)
    for row in build.requires:
        if best_of((row.file,), platform):  # a lock of several platforms lists the requirements of all of them
            yield row
            if row.build is not None:
                yield from _inputs(row.name, row.version, row.build, platform)


def carry_out(rows: Sequence[Artifact], artifacts: Artifacts, folder: Path, progress: Progress) -> int:
    """Copy artifacts from the cache into a folder and return how many bytes were new; whole files are left alone.

    Raises UsageError (`not-fetched`) where the cache lacks one.
    """
    written = 0
    with progress.task(f"Copying to {folder.name}", sum(row.size for row in rows), unit="bytes") as task:
        for row in rows:
            place = row.below(folder)
            if _problem(place, row) is not None:
                source = artifacts.get(row.sha256, row.name)
                if source is None:
                    raise UsageError("not-fetched", f"The cache does not have {row.name}.", expected=row.sha256)
                copy_beside(source, place)
                written += row.size
            task.advance(row.size)
    return written


def carry_in(rows: Sequence[Artifact], folder: Path, artifacts: Artifacts, progress: Progress) -> int:
    """Copy artifacts from a folder into the cache, each one checked, and return how many bytes were new.

    Raises IntegrityError (`damaged-artifact`) naming a file that is not what the lock says, UsageError
    (`not-in-folder`) naming those that are not there.
    """
    missing = [row for row in rows if artifacts.get(row.sha256, row.name) is None]
    gone = [row.name for row in missing if not row.below(folder).is_file()]
    if gone:
        raise UsageError(
            "not-in-folder",
            f"The folder lacks {len(gone)} of {len(rows)} artifacts.",
            where=str(folder),
            found=", ".join(gone[:_SHOWN]) + (" …" if len(gone) > _SHOWN else ""),
            hint=f"Where there is a network: envlock fetch --to {folder.name}",
        )
    with progress.task(f"Copying from {folder.name}", sum(row.size for row in missing), unit="bytes") as task:
        for row in missing:
            problem = _problem(row.below(folder), row)
            if problem is not None:
                raise IntegrityError(
                    "damaged-artifact",
                    f"{row.name} is not the file that the lock names.",
                    where=str(row.below(folder)),
                    expected=f"{row.size} bytes, sha256 {row.sha256}",
                    found=problem,
                    hint=f"Bring it again. Where there is a network: envlock fetch --to {folder.name}",
                )
            artifacts.put(row.below(folder), row.sha256, row.name)
            task.advance(row.size)
    return sum(row.size for row in missing)


def _problem(path: Path, row: Artifact) -> str | None:
    """Return how a file differs from the artifact; None where it is the same."""
    try:
        size = path.stat().st_size
        if size != row.size:
            return f"{size} bytes"
        sha256 = file_sha256(path)
    except OSError as error:
        return error.strerror or "it cannot be read"
    return None if sha256 == row.sha256 else f"sha256 {sha256}"
