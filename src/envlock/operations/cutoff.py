"""as-of: the moment after which releases do not exist for a lock.

A cutoff is absolute in the lock and stays until `-U`, `--as-of`, or until what decides it changes in the manifest.
`release` is the latest upload of the selected framework wheels, over frameworks and platforms, and a day. Exact
frameworks are looked up alone. For ranges everything is resolved first, without a cutoff, for the releases that fit
all requirements; as of those, the same ones must come out, or the older ones that do decide in their place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from envlock.errors import UsageError
from envlock.locking.as_of import Resolutions, release_cutoff
from envlock.locking.frameworks import framework_names
from envlock.locking.select import Selected, select
from envlock.model.as_of import Cutoffs
from envlock.model.edges import Resolution
from envlock.model.lock import Lock
from envlock.model.manifest import Environment
from envlock.operations.edges import Edges
from envlock.operations.upgrade import Upgrade

Resolve = Callable[[Cutoffs], Resolutions]
"""Resolves everything for each platform as of given cutoffs; the old lock's pins stay where they can."""
_ROUNDS = 8


def cutoffs_for(
    environment: Environment,
    kept: Lock | None,
    inputs: Mapping[str, str],
    upgrade: Upgrade,
    glibc: str,
    resolve: Resolve,
    edges: Edges,
) -> Cutoffs:
    """Return the cutoffs to resolve with; `kept` is the old lock, None for `-U`, `inputs` those of the new one.

    What `-P` opens is `none` or the date beside it here; `locking.as_of.settled` makes it absolute.
    """
    moment = _moment(environment, kept, inputs, upgrade, glibc, resolve, edges)
    packages = dict(environment.package_cutoffs)
    everywhere = upgrade.cutoff is not None and not upgrade.packages
    if kept is not None and not everywhere and _same(kept, inputs, ("as-of", "as-of-packages")):
        packages |= kept.as_of_packages
    if upgrade.packages and upgrade.cutoff == "release":
        raise UsageError(
            "bad-as-of", "One package cannot be as of a release.", expected="a date beside -P", found="--as-of release"
        )
    for name in upgrade.names:
        if upgrade.cutoff is not None:
            packages[name] = upgrade.cutoff
        elif name not in environment.package_cutoffs:
            packages[name] = "none"
    said = {name: text for name, text in packages.items() if moment is not None or text != "none"}
    return Cutoffs(moment=moment, packages=dict(sorted(said.items())))


def _moment(
    environment: Environment,
    kept: Lock | None,
    inputs: Mapping[str, str],
    upgrade: Upgrade,
    glibc: str,
    resolve: Resolve,
    edges: Edges,
) -> str | None:
    asked = None if upgrade.packages else upgrade.cutoff
    if asked is None and kept is not None and _stays(environment, kept, inputs):
        return kept.as_of
    asked = asked or environment.cutoff
    if asked == "none":
        return None
    return asked if asked != "release" else _release(environment, glibc, resolve, edges)


def _stays(environment: Environment, kept: Lock, inputs: Mapping[str, str]) -> bool:
    """Whether nothing that decides the old lock's cutoff has changed: above all, its frameworks still fit."""
    if environment.cutoff != "release":
        return _same(kept, inputs, ("as-of",))
    if not _same(kept, inputs, ("as-of", "frameworks", "python", "platforms")):
        return False
    if not environment.frameworks:
        files = {name for name in {*kept.inputs, *inputs} if name.startswith("from ")}
        return _same(kept, inputs, ("requirements", "groups", "extras", *files))
    from packaging.specifiers import SpecifierSet
    from packaging.utils import canonicalize_name

    for name, text in environment.frameworks.items():
        locked = [package for package in kept.packages if package.name == canonicalize_name(name)]
        if not locked or not all(SpecifierSet(text).contains(package.version, prereleases=True) for package in locked):
            return False
    return True


def _same(kept: Lock, inputs: Mapping[str, str], keys: tuple[str, ...]) -> bool:
    return all(kept.inputs.get(key) == inputs.get(key) for key in keys)


def _release(environment: Environment, glibc: str, resolve: Resolve, edges: Edges) -> str:
    exact = all(_is_exact(text) for text in environment.frameworks.values())
    named = ", ".join(sorted(environment.frameworks)) or "the frameworks"
    with edges.progress.task(f"Finding the release date of {named}"):
        if environment.frameworks and exact:
            return release_cutoff(_alone(environment, glibc, edges))
        cutoff, seen = None, None
        for _ in range(_ROUNDS):
            rows = _frameworks(environment, resolve(Cutoffs(moment=cutoff, packages=environment.package_cutoffs)))
            found = {(row.package, row.version) for row in rows}
            if found == seen:
                break
            cutoff, seen = release_cutoff(rows), found
    return cutoff or release_cutoff([])


def _is_exact(specifier: str) -> bool:
    from packaging.specifiers import SpecifierSet

    return any(one.operator in ("==", "===") and not one.version.endswith(".*") for one in SpecifierSet(specifier))


def _alone(environment: Environment, glibc: str, edges: Edges) -> list[Selected]:
    """Resolve the frameworks without their dependencies, for each platform."""
    rows: list[Selected] = []
    for platform in environment.targets:
        wanted = Resolution(
            requirements=tuple(sorted(project + spec for project, spec in environment.frameworks.items())),
            python=environment.python,
            platform=platform,
            glibc=glibc,
            cutoff=None,
            no_deps=True,
        )
        rows += select(edges.resolver.resolve(wanted), python=environment.python, platform=platform, glibc=glibc)
    return rows


def _frameworks(environment: Environment, resolutions: Resolutions) -> list[Selected]:
    named = {row.package for rows in resolutions.values() for row in rows}
    names = framework_names(environment.frameworks, named)
    return [row for rows in resolutions.values() for row in rows if row.package in names]
