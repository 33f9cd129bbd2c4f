"""What is installed in an environment as exact pins, and where it contradicts itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import msgspec

from envlock.formats.tags import environment_of
from envlock.locking.frameworks import FRAMEWORKS
from envlock.model.platform import Platform

if TYPE_CHECKING:
    from packaging.markers import Marker
    from packaging.requirements import Requirement

NEVER = "sys_platform == 'never'"
"""The marker of an override that drops a requirement."""

Reason = Literal["editable", "repository", "file", "conda-only", "not-on-index", "tool", "outside", "unreadable"]
HINTS: Mapping[Reason, str] = {
    "editable": 'Build a wheel of it and name the wheel\'s folder as an [[index]] with format = "flat".',
    "repository": 'Build a wheel of it and name the wheel\'s folder as an [[index]] with format = "flat".',
    "file": 'Name the wheel\'s folder as an [[index]] with format = "flat", and add the package to dependencies.',
    "conda-only": "Python packages: lock a release that the index has. Libraries: os-packages of [env.NAME.image].",
    "not-on-index": "Name the index that has it as an [[index]] of the manifest, or install a release that yours has.",
    "tool": "",
    "outside": "Install it into the environment.",
    "unreadable": "Install it again.",
}
"""The way out for each reason; empty where there is nothing to do."""


class LeftOut(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Something installed that was not locked."""

    name: str
    version: str
    reason: Reason
    why: str
    """Half a sentence, after "it"."""


class InstalledPackage(msgspec.Struct, frozen=True, kw_only=True):
    """A distribution that can be pinned, and what it asks for."""

    name: str
    """Normalised."""
    version: str
    requires: tuple[str, ...] = ()
    """Requires-Dist, PEP 508."""
    extras: tuple[str, ...] = ()
    """Provides-Extra."""
    conda: bool = False

    @property
    def pin(self) -> str:
        """The exact requirement."""
        return f"{self.name}=={self.version}"


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """What an environment holds, as far as a lock can say it again."""

    python: str
    """Full version, such as 3.9.18."""
    platform: Platform
    packages: tuple[InstalledPackage, ...]
    """Sorted by name."""
    left_out: tuple[LeftOut, ...] = ()
    forced: tuple[str, ...] = ()
    """Overrides that the index's metadata demands beyond what the installed metadata does."""

    @property
    def feature(self) -> str:
        """The feature version, such as 3.9."""
        return ".".join(self.python.split(".")[:2])

    @property
    def requirements(self) -> tuple[str, ...]:
        """Every pin, sorted by name."""
        return tuple(package.pin for package in self.packages)

    @property
    def frameworks(self) -> dict[str, str]:
        """The pins that decide results: project to specifier."""
        return {package.name: f"=={package.version}" for package in self.packages if package.name in FRAMEWORKS}

    @property
    def dependencies(self) -> tuple[str, ...]:
        """The other pins."""
        return tuple(package.pin for package in self.packages if package.name not in FRAMEWORKS)

    @property
    def overrides(self) -> tuple[str, ...]:
        """What makes a resolver accept a set that contradicts itself, as `pip check` would find; empty where none.

        A requirement that is not installed is dropped by a marker that never holds.
        """
        rows = {name: override for name, override, _ in self._contradictions()}
        rows |= {text.partition(";")[0].partition("==")[0].strip(): text for text in self.forced}
        return tuple(rows[name] for name in sorted(rows))

    @property
    def problems(self) -> tuple[str, ...]:
        """A sentence for each requirement of an installed package that is not met, as `pip check` says it."""
        return tuple(text for _, _, text in self._contradictions())

    def _contradictions(self) -> list[tuple[str, str, str]]:
        """Return (name, override, sentence) for each requirement that is not met."""
        versions = {package.name: package for package in self.packages}
        rows = []
        for owner, wanted in active_requirements(self.packages, self.feature, self.python, self.platform):
            name = normalised(wanted.name)
            found = versions.get(name)
            asked = str(wanted).partition(";")[0].strip()
            if found is None:
                text = f"{owner.name} {owner.version} requires {asked}, which is not installed or was left out."
                rows.append((name, f"{name} ; {NEVER}", text))
            elif wanted.url or not wanted.specifier.contains(found.version, prereleases=True):
                text = f"{owner.name} {owner.version} requires {asked}, and {found.version} is installed."
                rows.append((name, found.pin, text))
        return sorted(set(rows))

    def without(self, left_out: Iterable[LeftOut]) -> Installed:
        """Return the same with some packages left out."""
        rows = tuple(left_out)
        names = {row.name for row in rows}
        return msgspec.structs.replace(
            self,
            packages=tuple(package for package in self.packages if package.name not in names),
            left_out=tuple(sorted((*self.left_out, *rows))),
        )


def active_requirements(
    packages: Sequence[InstalledPackage], feature: str, python: str, platform: Platform
) -> list[tuple[InstalledPackage, Requirement]]:
    """Return the requirements that hold here, with who asks; extras count where a requirement names them."""
    from packaging.requirements import InvalidRequirement, Requirement

    base = environment_of(feature, platform, python)
    parsed: dict[str, list[Requirement]] = {}
    for package in packages:
        rows = parsed.setdefault(package.name, [])
        for text in package.requires:
            try:
                rows.append(Requirement(text))
            except InvalidRequirement:
                continue  # old metadata that no resolver reads either
    extras: dict[str, set[str]] = {package.name: {""} for package in packages}
    while True:
        active = [
            (package, wanted)
            for package in packages
            for wanted in parsed[package.name]
            if wanted.marker is None
            or any(_holds(wanted.marker, {**base, "extra": extra}) for extra in extras[package.name])
        ]
        before = sum(map(len, extras.values()))
        for _, wanted in active:
            if (name := normalised(wanted.name)) in extras:
                extras[name] |= {normalised(extra) for extra in wanted.extras}
        if sum(map(len, extras.values())) == before:
            return active


def _holds(marker: Marker, environment: Mapping[str, str | frozenset[str]]) -> bool:
    """Tell whether a marker holds; one that compares what cannot be compared never does."""
    from packaging.markers import UndefinedComparison, UndefinedEnvironmentName

    try:
        return marker.evaluate(environment)
    except (UndefinedComparison, UndefinedEnvironmentName):
        return False


def normalised(name: str) -> str:
    """Return a project name as PEP 503 compares it."""
    from packaging.utils import canonicalize_name

    return str(canonicalize_name(name))
