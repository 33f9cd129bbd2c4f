"""Resolving a recipe: suites verified, packages closed over their dependencies, scripts accounted for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from envlock.errors import UsageError
from envlock.formats.control import upstream_version
from envlock.formats.deb import read_control
from envlock.locking.closure import close
from envlock.locking.packages import read_packages
from envlock.locking.release import Release, read_release
from envlock.locking.scripts import effects_of
from envlock.model.artifact import Deb
from envlock.model.edges import Archives, Progress
from envlock.model.effects import ALWAYS, in_order
from envlock.model.lock import Base
from envlock.model.platform import Platform
from envlock.model.recipe import Recipe

_RELEASE_LIMIT = 1 << 23
"""Bytes of an InRelease; the largest of Debian has 300 kB."""


def resolve_base(
    recipe: Recipe,
    platforms: Sequence[Platform],
    archives: Archives,
    debs: Callable[[Deb], Path],
    *,
    now: datetime,
    with_build_packages: bool,
    extra: Sequence[str] = (),
    progress: Progress,
) -> Base:
    """Resolve a recipe, and `extra` packages of the same suites, to exact packages for all platforms.

    `now` is the time against which Valid-Until is judged. `debs` returns the file of a package, its sha256 verified:
    the maintainer scripts of every package are read.
    Raises IntegrityError for signatures and hashes that do not hold, UsageError for names and dependencies that no
    suite satisfies, for expired suites, and for maintainer scripts that nobody accounted for (`unknown-script`).
    """
    releases = _releases(recipe, archives, now, progress)
    packages: dict[tuple[str, str], Deb] = {}
    build_packages: dict[tuple[str, str], Deb] = {}
    where = f"recipe {recipe.name}"
    for platform in platforms:
        with progress.task(f"read the package indexes of {platform}"):
            index = read_packages(releases, platform.architecture, archives)
        wanted = tuple(dict.fromkeys((*recipe.packages, *extra)))
        inside = close(index, wanted, exclude=recipe.exclude, where=where)
        _collect(packages, [candidate.deb for candidate in inside], platform)
        if with_build_packages:
            beyond = close(index, recipe.build_packages, exclude=recipe.exclude, inside=inside, where=where)
            _collect(build_packages, [candidate.deb for candidate in beyond], platform)
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
    with progress.task("verify the release files", len(recipe.suites)) as task:
        for each in recipe.suites:
            raw = archives.index(each.archive, f"dists/{each.suite}/InRelease", limit=_RELEASE_LIMIT)
            releases.append(read_release(raw, archive=each.archive, suite=each.suite, now=now))
            task.advance()
    return releases


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
    controls = []
    with progress.task("read the packages' maintainer scripts", len(packages)) as task:
        for deb in packages:
            controls.append((deb, read_control(debs(deb))))
            task.advance()
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
