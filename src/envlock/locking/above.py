"""Debian packages on top of a base from a registry: what its dpkg does not have yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from envlock.errors import UsageError
from envlock.locking.apt import choose
from envlock.locking.base import collect, effects_for, read_releases
from envlock.locking.inside import Inside
from envlock.locking.packages import read_packages
from envlock.model.artifact import Deb, Suite
from envlock.model.distribution import Distribution
from envlock.model.edges import Archives, Progress, Solver
from envlock.model.effects import in_order
from envlock.model.platform import Platform


class Above(msgspec.Struct, frozen=True, kw_only=True):
    """Packages above an image, for all platforms."""

    packages: tuple[Deb, ...] = ()
    """A package that the image has in an older version stands here with the new one."""
    effects: tuple[str, ...] = ()
    suites: tuple[Suite, ...] = ()


def resolve_above(
    wanted: Sequence[str],
    inside: Mapping[Platform, Inside],
    recipe: Distribution,
    archives: Archives,
    debs: Callable[[Deb, Archives], Path],
    *,
    now: datetime,
    previous: Sequence[Suite],
    solver: Solver | None,
    where: str,
    progress: Progress,
) -> Above:
    """Resolve wanted packages, and what they need, beyond what an image has installed.

    `recipe` is one of the image's distribution: its suites, what it leaves out, the scripts it knows. `where` names
    the image. Raises what `locking.base.resolve_base` raises, and UsageError (`no-dpkg`).
    """
    for platform, there in inside.items():
        if not there.installed:
            raise UsageError(
                "no-dpkg",
                "The base does not say which packages it has, so none can be put on top of it.",
                where=f"{where} {platform}",
                expected="/var/lib/dpkg/status or status.d",
                hint="Take os-packages out, or choose a base that keeps its list of packages.",
            )
    releases = read_releases(
        recipe.suites_for(platform.architecture for platform in inside),
        archives,
        now=now,
        previous=previous,
        progress=progress,
    )
    packages: dict[tuple[str, str], Deb] = {}
    for platform, there in inside.items():
        with progress.task(f"Reading the package indexes of {platform}"):
            index = read_packages(releases, platform.architecture, archives)
            chosen = choose(
                index,
                wanted,
                architecture=platform.architecture,
                solver=solver,
                exclude=recipe.exclude,
                inside=there.installed,
                where="os-packages",
            )
        collect(packages, [candidate.deb for candidate in chosen], platform)
    rows = tuple(packages[key] for key in sorted(packages))
    suites = tuple(release.suite for release in releases)
    at = archives.at(suites)
    effects = effects_for(rows, recipe, lambda deb: debs(deb, at), progress)
    if rows:
        merged = all(there.usr_merged for there in inside.values())
        effects |= {"ld-so-cache", "dpkg-status", *(["usr-merge"] if merged else [])}
    return Above(packages=rows, effects=in_order(effects), suites=suites)
