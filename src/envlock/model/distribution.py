"""Distributions whose packages can be put on top of an image: their suites, known by recipes or by a table."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

from envlock.model import records

Archive = Literal["debian", "debian-security", "ubuntu", "ubuntu-ports"]
"""The last component of a mirror's URL."""
_NOT_THERE = ("debconf", "dpkg")
"""Only maintainer scripts would use them, and those never run."""


class RecipeSuite(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A suite of an archive, such as bullseye-security of debian-security."""

    archive: Archive
    suite: str
    components: tuple[str, ...] = ("main",)
    architectures: tuple[str, ...] = ()
    """Those whose packages are taken from it, all of them where none is named."""


class KnownScript(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A maintainer script that somebody has read, with the effects that replace it."""

    package: str
    script: Literal["preinst", "postinst"]
    sha256: str
    effects: tuple[str, ...] = ()


class Distribution(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """Where the packages of a distribution come from."""

    distribution: str
    """Identifier and version as in os-release, such as debian-11."""
    suites: tuple[RecipeSuite, ...]
    exclude: tuple[str, ...] = ()
    """Packages that count as there without being there: only maintainer scripts would have used them."""
    scripts: tuple[KnownScript, ...] = ()

    def suites_for(self, architectures: Iterable[str]) -> tuple[RecipeSuite, ...]:
        """Return the suites that packages of any of these architectures come from."""
        wanted = frozenset(architectures)
        return tuple(each for each in self.suites if not each.architectures or wanted.intersection(each.architectures))


class _Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    distribution: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    archives: dict[str, Archive]
    """Of each architecture."""


def distribution_of(name: str, recipes: Iterable[Distribution]) -> Distribution | None:
    """Return the distribution of a name such as ubuntu-22.04: the first recipe of it, else the table's, else None."""
    return next((each for each in (*recipes, *tabled()) if each.distribution == name), None)


@cache
def tabled() -> tuple[Distribution, ...]:
    """Return the distributions of the table that comes with envlock."""
    text = (files("envlock") / "data" / "distributions.toml").read_text(encoding="utf-8")
    rows = records.convert(tomllib.loads(text)["distribution"], tuple[_Row, ...])
    return tuple(
        Distribution(
            distribution=row.distribution,
            suites=tuple(
                RecipeSuite(archive=archive, suite=suite, components=row.components, architectures=(architecture,))
                for architecture, archive in row.archives.items()
                for suite in row.suites
            ),
            exclude=_NOT_THERE,
        )
        for row in rows
    )
