"""Resolving a recipe: suites verified, packages closed over their dependencies, scripts accounted for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from envlock.errors import UsageError
from envlock.formats.control import upstream_version
from envlock.formats.deb import read_control
from envlock.locking.apt import choose
from envlock.locking.packages import read_packages
from envlock.locking.release import Release, read_release
from envlock.locking.scripts import effects_of
from envlock.model.artifact import Deb, Suite
from envlock.model.distribution import Distribution, RecipeSuite
from envlock.model.edges import Archives, Progress, Solver
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
    debs: Callable[[Deb, Archives], Path],
    *,
    now: datetime,
    with_build_packages: bool,
    extra: Sequence[str] = (),
    previous: Sequence[Suite] = (),
    solver: Solver | None = None,
    progress: Progress,
) -> Base:
    """Resolve a recipe, and `extra` packages of the same suites, to exact packages for all platforms.

    `now` is the time against which Valid-Until is judged. `debs` returns the file of a package out of the archives as
    they are at the suites' time, its sha256 verified (it is called from several threads): the maintainer scripts of
    every package are read.
    `previous` are the suites of the lock so far, and none may be older than it was there.
    `solver` is apt; without it the built-in closure chooses.
    Raises IntegrityError for signatures and hashes that do not hold, UsageError for names and dependencies that no
    suite satisfies, for expired suites, and for maintainer scripts that nobody accounted for (`unknown-script`).
    """
    suites = recipe.suites_for(platform.architecture for platform in platforms)
    releases = read_releases(suites, archives, now=now, previous=previous, progress=progress)
    wanted = replace(recipe, packages=tuple(dict.fromkeys((*recipe.packages, *extra))))
    packages: dict[tuple[str, str], Deb] = {}
    build_packages: dict[tuple[str, str], Deb] = {}
    for platform in platforms:
        with progress.task(f"Reading the package indexes of {platform}"):
            inside, beyond = _chosen(wanted, releases, platform, archives, solver, build=with_build_packages)
        collect(packages, inside, platform)
        collect(build_packages, beyond, platform)
    chosen = tuple(packages[key] for key in sorted(packages))
    build_only = tuple(build_packages[key] for key in sorted(build_packages) if key not in packages)
    read = tuple(release.suite for release in releases)
    at = archives.at(read)
    effects = effects_for((*chosen, *build_only), recipe, lambda deb: debs(deb, at), progress) | set(ALWAYS)
    return Base(
        recipe=recipe.name,
        distribution=recipe.distribution,
        interpreter=recipe.interpreter,
        python=_version_of(chosen, f"python{recipe.python}-minimal", recipe.python, recipe),
        glibc=_version_of(chosen, "libc6", recipe.glibc, recipe),
        solver="closure" if solver is None else "apt",
        effects=in_order(effects),
        suites=read,
        packages=chosen,
        build_packages=build_only,
    )


def read_releases(
    suites: Sequence[RecipeSuite], archives: Archives, *, now: datetime, previous: Sequence[Suite], progress: Progress
) -> list[Release]:
    """Fetch and verify the release files of suites, none of them older than in `previous`.

    Raises IntegrityError (`bad-signature`, `wrong-suite`, `bad-release`) and UsageError (`release-expired`,
    `older-release`).
    """
    releases = []
    with progress.task("Verifying the release files", len(suites)) as task:
        for each in suites:
            raw = archives.index(each.archive, f"dists/{each.suite}/InRelease", limit=_RELEASE_LIMIT)
            found = read_release(raw, archive=each.archive, suite=each.suite, now=now)
            releases.append(replace(found, components=each.components, architectures=each.architectures))
            task.advance()
    _check_order(releases, previous)
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


def _chosen(
    recipe: Recipe,
    releases: Sequence[Release],
    platform: Platform,
    archives: Archives,
    solver: Solver | None,
    *,
    build: bool,
) -> tuple[list[Deb], list[Deb]]:
    """Return the packages of the base and those beyond it in the build root; the index is let go again."""
    index = read_packages(releases, platform.architecture, archives)
    where = f"recipe {recipe.name}"
    pick = partial(
        choose, index, architecture=platform.architecture, solver=solver, exclude=recipe.exclude, where=where
    )
    inside = pick(recipe.packages)
    beyond = pick(recipe.build_packages, inside=inside) if build else ()
    return [candidate.deb for candidate in inside], [candidate.deb for candidate in beyond]


def collect(chosen: dict[tuple[str, str], Deb], found: Sequence[Deb], platform: Platform) -> None:
    """Add one platform's packages by (name, architecture); UsageError (`platforms-disagree`)."""
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


def effects_for(
    packages: Sequence[Deb], recipe: Distribution, debs: Callable[[Deb], Path], progress: Progress
) -> set[str]:
    """Return the effects that replace the packages' maintainer scripts; UsageError (`unknown-script`)."""

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
    return effects_of(controls, recipe.scripts)


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
