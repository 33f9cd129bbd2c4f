"""Resolving a recipe: suites verified, packages closed over their dependencies, scripts accounted for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from msgspec.structs import replace

from envlock.errors import UsageError
from envlock.formats.control import upstream_version
from envlock.formats.deb import read_control
from envlock.locking.closure import close
from envlock.locking.packages import read_packages
from envlock.locking.release import Release, read_release
from envlock.locking.scripts import effects_of
from envlock.model.artifact import Deb, Suite
from envlock.model.edges import Archives, Progress
from envlock.model.effects import ALWAYS, in_order
from envlock.model.lock import Base
from envlock.model.platform import Platform
from envlock.model.recipe import Recipe

_RELEASE_LIMIT = 1 << 23
"""Bytes of an InRelease; the largest of Debian has 300 kB."""
_CONNECTIONS = 8


def resolve_base(
    recipe: Recipe,
    platforms: Sequence[Platform],
    archives: Archives,
    debs: Callable[[Deb], Path],
    *,
    now: datetime,
    with_build_packages: bool,
    extra: Sequence[str] = (),
    previous: Sequence[Suite] = (),
    progress: Progress,
) -> Base:
    """Resolve a recipe, and `extra` packages of the same suites, to exact packages for all platforms.

    `now` is the time against which Valid-Until is judged. `debs` returns the file of a package, its sha256 verified
    (it is called from several threads): the maintainer scripts of every package are read.
    `previous` are the suites of the lock so far, and none may be older than it was there.
    Raises IntegrityError for signatures and hashes that do not hold, UsageError for names and dependencies that no
    suite satisfies, for expired suites, and for maintainer scripts that nobody accounted for (`unknown-script`).
    """
    releases = _releases(recipe, archives, now, progress)
    _check_order(releases, previous)
    wanted = replace(recipe, packages=tuple(dict.fromkeys((*recipe.packages, *extra))))
    packages: dict[tuple[str, str], Deb] = {}
    build_packages: dict[tuple[str, str], Deb] = {}
    for platform in platforms:
        with progress.task(f"Reading the package indexes of {platform}"):
            inside, beyond = _closed(wanted, releases, platform, archives)
        _collect(packages, inside, platform)
        if with_build_packages:
            _collect(build_packages, beyond, platform)
    chosen = tuple(packages[key] for key in sorted(packages))
    build_only = tuple(build_packages[key] for key in sorted(build_packages) if key not in packages)
    effects = _effects(recipe, (*chosen, *build_only), debs, progress)
    return Base(
        recipe=recipe.name,
        distribution=recipe.distribution,
        interpreter=recipe.interpreter,
        python=_version_of(chosen, f"python{recipe.python}-minimal", recipe.python, recipe),
        glibc=_version_of(chosen, "libc6", recipe.glibc, recipe),
        solver="closure",
        effects=effects,
        suites=tuple(release.suite for release in releases),
        packages=chosen,
        build_packages=build_only,
    )


def _releases(recipe: Recipe, archives: Archives, now: datetime, progress: Progress) -> list[Release]:
    releases = []
    with progress.task("Verifying the release files", len(recipe.suites)) as task:
        for each in recipe.suites:
            raw = archives.index(each.archive, f"dists/{each.suite}/InRelease", limit=_RELEASE_LIMIT)
            releases.append(read_release(raw, archive=each.archive, suite=each.suite, now=now))
            task.advance()
    return releases


def _check_order(releases: Sequence[Release], previous: Sequence[Suite]) -> None:
    """Refuse a suite from before the locked one: a mirror that is behind, or that hides security fixes."""
    locked = {(suite.archive, suite.suite): suite.date for suite in previous}
    for release in releases:
        suite = release.suite
        before = locked.get((suite.archive, suite.suite), "")
        if suite.date < before:
            raise UsageError(
                "older-release",
                "The mirror's release file is older than the one that is locked already.",
                where=f"{suite.archive} {suite.suite}",
                expected=f"{before} or later",
                found=suite.date,
                hint="use a mirror that is up to date; to go back on purpose, delete the lock file first",
            )


def _closed(
    recipe: Recipe, releases: Sequence[Release], platform: Platform, archives: Archives
) -> tuple[list[Deb], list[Deb]]:
    """Return the packages of the base and those beyond it in the build root; the index is let go again."""
    index = read_packages(releases, platform.architecture, archives)
    where = f"recipe {recipe.name}"
    inside = close(index, recipe.packages, exclude=recipe.exclude, where=where)
    beyond = close(index, recipe.build_packages, exclude=recipe.exclude, inside=inside, where=where)
    return [candidate.deb for candidate in inside], [candidate.deb for candidate in beyond]


def _collect(chosen: dict[tuple[str, str], Deb], found: Sequence[Deb], platform: Platform) -> None:
    for deb in found:
        before = chosen.setdefault((deb.name, deb.architecture), deb)
        if before.version != deb.version:
            raise UsageError(
                "platforms-disagree",
                f"The suites hold {deb.name} in another version for {platform}.",
                expected=before.version,
                found=deb.version,
                hint="the archive is in the middle of an update: try again later, or lock one platform",
            )


def _effects(
    recipe: Recipe, packages: Sequence[Deb], debs: Callable[[Deb], Path], progress: Progress
) -> tuple[str, ...]:
    def control(deb: Deb) -> tuple[Deb, dict[str, bytes]]:
        found = deb, read_control(debs(deb))
        task.advance()
        return found

    pool = ThreadPoolExecutor(_CONNECTIONS)
    try:
        with progress.task("Fetching packages and reading their maintainer scripts", len(packages)) as task:
            controls = list(pool.map(control, packages))
    finally:
        pool.shutdown(cancel_futures=True)
    return in_order(effects_of(controls, recipe.scripts) | set(ALWAYS))


def _version_of(packages: Sequence[Deb], name: str, expected: str, recipe: Recipe) -> str:
    """Return the upstream version of a package, checked against what the recipe promises."""
    found = next((upstream_version(deb.version) for deb in packages if deb.name == name), "")
    if found != expected and not found.startswith(f"{expected}."):
        raise UsageError(
            "bad-recipe",
            f"The recipe's packages do not bring what it promises: {name} {expected}.",
            where=recipe.name,
            expected=expected,
            found=found or f"no package {name}",
        )
    return found
