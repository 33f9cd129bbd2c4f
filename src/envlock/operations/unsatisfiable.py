"""Why requirements cannot be satisfied, where that is the fault of a platform or of an index without upload times."""

from __future__ import annotations

from envlock.errors import UsageError
from envlock.locking.as_of import undated
from envlock.locking.frameworks import FRAMEWORKS
from envlock.locking.select import Selected, select
from envlock.model.as_of import Cutoffs
from envlock.model.edges import Resolution
from envlock.model.manifest import Environment
from envlock.model.platform import Platform
from envlock.operations.cutoff import Resolve
from envlock.operations.edges import Edges


def explained(
    error: UsageError, environment: Environment, cutoffs: Cutoffs, glibc: str, resolve: Resolve, edges: Edges
) -> UsageError:
    """Return what is behind an `unsatisfiable` resolution, or the error as it is.

    `no-wheel-for-platform`: a framework has no wheel for a listed platform, and others have one; it says which.
    `no-upload-time`: an index does not say when its files were uploaded, so that none exists for a cutoff.
    Which later cutoff would do, the resolver says itself.
    """
    if error.reference != "unsatisfiable":
        return error
    return _of_platform(environment, cutoffs, glibc, edges) or _of_cutoff(error, cutoffs, resolve) or error


def _of_platform(environment: Environment, cutoffs: Cutoffs, glibc: str, edges: Edges) -> UsageError | None:
    for name, specifier in _framework_requirements(environment).items():
        found = {
            platform: _file(name + specifier, environment, platform, cutoffs, glibc, edges)
            for platform in Platform.known()
        }
        without = [platform for platform in environment.targets if found[platform] is None]
        having = [str(platform) for platform, row in found.items() if row is not None]
        if not without or not having:
            continue
        newest = _file(name, environment, without[0], cutoffs, glibc, edges)
        there = f"the newest one for {without[0]} is {newest.version}" if newest else f"none at all for {without[0]}"
        return UsageError(
            "no-wheel-for-platform",
            f"{name}{specifier} has no wheel for {', '.join(map(str, without))}, Python {environment.python}.",
            where=name,
            expected=f"a wheel for each of: {', '.join(map(str, environment.targets))}",
            found=f"wheels for {', '.join(having)}; {there}",
            hint=f"Drop {without[0]} from platforms, or put it into an environment of its own"
            + (f' with {name} = "=={newest.version}".' if newest else "."),
        )
    return None


def _framework_requirements(environment: Environment) -> dict[str, str]:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    rows = {str(canonicalize_name(name)): specifier for name, specifier in environment.frameworks.items()}
    for text in environment.dependencies:
        wanted = Requirement(text)
        if canonicalize_name(wanted.name) in FRAMEWORKS and not wanted.url and not wanted.marker:
            rows.setdefault(str(canonicalize_name(wanted.name)), str(wanted.specifier))
    return dict(sorted(rows.items()))


def _file(
    requirement: str, environment: Environment, platform: Platform, cutoffs: Cutoffs, glibc: str, edges: Edges
) -> Selected | None:
    """Return the wheel of a requirement alone on a platform, or None where there is none."""
    wanted = Resolution(
        requirements=(requirement,),
        python=environment.python,
        platform=platform,
        glibc=glibc,
        cutoff=cutoffs.moment,
        package_cutoffs=cutoffs.packages,
        no_deps=True,
        sdists=False,
    )
    try:
        rows = select(edges.resolver.resolve(wanted), python=environment.python, platform=platform, glibc=glibc)
    except UsageError:
        return None
    return rows[0] if rows else None


def _of_cutoff(error: UsageError, cutoffs: Cutoffs, resolve: Resolve) -> UsageError | None:
    if cutoffs.moment is None:
        return None
    try:
        today = resolve(Cutoffs(moment=None))
    except UsageError:
        return None  # no cutoff helps
    silent = undated(today)
    if not silent:
        return None
    return UsageError(
        "no-upload-time",
        f"The index does not say when {', '.join(silent[:5])} was uploaded (PEP 700), so nothing of it is from "
        f"before {cutoffs.moment}.",
        expected="an upload-time for each file",
        found=error.found,
        hint='Exempt that index: as-of = "none" in its [[index]] table. Or drop as-of from the environment.',
    )
