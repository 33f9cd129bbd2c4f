"""Which packages of a lock need which others of it, by the METADATA of wheels (PEP 751, packages.dependencies)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from envlock.locking.inputs import LIST
from envlock.locking.installed import InstalledPackage, active_requirements, normalised
from envlock.locking.select import Selected
from envlock.model.lock import Lock, Package
from envlock.model.platform import Platform

_ASKS = ""
"""Stands for who asks for the requirements of the manifest: no project has this name."""


def requirements_asked_for(inputs: Mapping[str, str], read: Sequence[str]) -> tuple[str, ...]:
    """Return what the inputs of a lock ask for (PEP 508), with what was `read` off the locks of other tools."""
    texts = [text for name, text in inputs.items() if name == "requirements" or name.startswith("from ")]
    return (*(row for text in texts for row in text.split(LIST)), *read)


def kept_dependencies(
    packages: Sequence[Package], inputs: Mapping[str, str], previous: Lock | None
) -> tuple[Package, ...] | None:
    """Return the packages with the dependencies of an old lock that holds the same wheels for the same inputs."""
    if previous is None or previous.inputs != inputs or not any(each.dependencies for each in previous.packages):
        return None
    if [_identity(package) for package in packages] != [_identity(package) for package in previous.packages]:
        return None
    pairs = zip(packages, previous.packages, strict=True)
    return tuple(msgspec.structs.replace(package, dependencies=old.dependencies) for package, old in pairs)


def with_dependencies(
    packages: Sequence[Package],
    resolutions: Mapping[Platform, Sequence[Selected]],
    requires: Callable[[Selected, Platform], Sequence[str]],
    asked: Sequence[str],
    python: str,
) -> tuple[Package, ...]:
    """Return the packages with what each needs of the others on any platform.

    Markers are those of CPython `python` (feature version) on the platform; an extra counts where `asked` or another
    package names it. What a wheel asks for and no resolution selected, because of an override, is left out.
    """
    found: dict[tuple[str, str], set[str]] = {}
    for platform, rows in resolutions.items():
        versions = {row.package: row.version for row in rows}
        installed = [
            InstalledPackage(name=row.package, version=row.version, requires=tuple(requires(row, platform)))
            for row in rows
        ]
        everyone = [*installed, InstalledPackage(name=_ASKS, version="", requires=tuple(asked))]
        for owner, wanted in active_requirements(everyone, python, f"{python}.0", platform):
            name = normalised(wanted.name)
            if name in versions and name != owner.name:
                found.setdefault((owner.name, owner.version), set()).add(name)
    return tuple(
        msgspec.structs.replace(package, dependencies=tuple(sorted(found.get((package.name, package.version), ()))))
        for package in packages
    )


def told_as_before(lock: Lock, before: Lock) -> Lock:
    """Return a lock without dependencies, where the one before it was made when none were written."""
    if any(package.dependencies for package in before.packages):
        return lock
    plain = tuple(msgspec.structs.replace(package, dependencies=()) for package in lock.packages)
    return msgspec.structs.replace(lock, packages=plain)


def _identity(package: Package) -> tuple[str, str, str | None, tuple[str, ...]]:
    return package.name, package.version, package.marker, tuple(sorted(wheel.sha256 for wheel in package.wheels))
