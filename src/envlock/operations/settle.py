"""Holds what is installed against the index, until a resolution gives exactly that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from envlock.errors import UsageError
from envlock.locking.exact_manifest import base_of
from envlock.locking.installed import NEVER, Installed, InstalledPackage, LeftOut, normalised
from envlock.model.edges import Metadata, MetadataUnknownError, Progress, Resolution, Resolver
from envlock.model.recipe import load_recipe, packaged_recipe_folders
from envlock.operations.fetch import DEFAULT_GLIBC

_ABSENT = frozenset({"unsatisfiable", "build-refused"})


def settled(installed: Installed, resolver: Resolver, *, glibc: str | None = None, progress: Progress) -> Installed:
    """Ask the index: pins that it does not have are left out, and a resolution gives exactly the rest.

    `glibc` is that of the base that the lock will have; that of the recipe for this Python where it is None. Where
    there is no such recipe nothing can be built, and only wheels count.
    Raises UsageError (`unsatisfiable`) where no override helps, `resolver-failed`.
    """
    recipe = base_of(installed.feature)
    target = Resolution(
        requirements=(),
        python=installed.feature,
        platform=installed.platform,
        glibc=glibc or (load_recipe(recipe, packaged_recipe_folders()).glibc if recipe else DEFAULT_GLIBC),
        cutoff=None,
        sdists=glibc is not None or recipe is not None,
    )
    with progress.task("Asking the index for what is installed"):
        gone = _unavailable(installed.packages, target, resolver)
        installed = installed.without(_left_out(package, target) for package in gone)
        return _exact(installed, target, resolver) if installed.packages else installed


def _left_out(package: InstalledPackage, target: Resolution) -> LeftOut:
    kind = "file" if target.sdists else "wheel"
    where = f"Python {target.python}, {target.platform}, glibc {target.glibc}"
    return LeftOut(
        name=package.name,
        version=package.version,
        reason="conda-only" if package.conda else "not-on-index",
        why=f"has no {kind} on the index for {where}" + (", and was made by conda" if package.conda else ""),
    )


def _unavailable(
    packages: Sequence[InstalledPackage], target: Resolution, resolver: Resolver
) -> Sequence[InstalledPackage]:
    """Return the pins that the index cannot serve, found by halves: a resolver names one at a time."""
    if not packages:
        return []
    try:
        pins = tuple(package.pin for package in packages)
        _ask(resolver, replace(target, requirements=pins, no_deps=True), packages)
    except UsageError as error:
        if error.reference not in _ABSENT:
            raise
    else:
        return []
    if len(packages) == 1:
        return packages
    middle = len(packages) // 2
    return [
        *_unavailable(packages[:middle], target, resolver),
        *_unavailable(packages[middle:], target, resolver),
    ]


def _exact(installed: Installed, target: Resolution, resolver: Resolver) -> Installed:
    """Add overrides until the index's metadata, which need not be what was installed, gives what was installed."""

    def resolved() -> set[str]:
        question = replace(target, requirements=installed.requirements, overrides=installed.overrides)
        return {normalised(str(row["name"])) for row in _ask(resolver, question, installed.packages)}

    try:
        names = resolved()
    except UsageError as error:
        if error.reference != "unsatisfiable":
            raise
        installed = replace(installed, forced=installed.requirements)
        names = resolved()
    known = {package.name for package in installed.packages}
    while more := sorted(names - known):  # the index asks for what was not installed: that is dropped
        known |= set(more)
        installed = replace(installed, forced=(*installed.forced, *(f"{name} ; {NEVER}" for name in more)))
        names = resolved()
    return installed


def _ask(resolver: Resolver, question: Resolution, packages: Sequence[InstalledPackage]) -> Sequence[Mapping[str, Any]]:
    """Resolve; what an sdist only says when its code is run, its installed metadata says."""
    known = {package.name: package for package in packages}
    while True:
        try:
            return resolver.resolve(question)
        except MetadataUnknownError as error:
            package = known.pop(normalised(error.project), None)
            if package is None:
                raise
            said = Metadata(
                name=package.name,
                version=package.version,
                requires_dist=package.requires,
                provides_extra=package.extras,
            )
            question = replace(question, metadata=(*question.metadata, said))
