"""Debian control data: paragraphs, relations between packages, and the order of versions (Debian policy, 5 and 7)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import msgspec

Key = tuple[tuple[tuple[int, ...], int], ...]
"""An ordered stand-in for a part of a version."""


class Relation(msgspec.Struct, frozen=True):
    """One alternative of a dependency, or one provided name: `name (operator version)`."""

    name: str
    operator: str = ""
    """One of `<<`, `<=`, `=`, `>=`, `>>`, or empty."""
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.operator} {self.version})" if self.operator else self.name

    def admits(self, version: str) -> bool:
        """Tell whether a package of that version satisfies the relation."""
        if not self.operator:
            return True
        found, asked = version_key(version), version_key(self.version)
        match self.operator:
            case "<<":
                return found < asked
            case "<=":
                return found <= asked
            case "=":
                return found == asked
            case ">=":
                return found >= asked
            case _:
                return found > asked


def paragraph(text: str) -> dict[str, str]:
    """Parse one deb822 paragraph; continuation lines stay joined by newlines, comments are skipped.

    Raises ValueError for a line that is neither a field nor a continuation, and for a field given twice.
    """
    fields: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if line[:1] in (" ", "\t"):
            if not name:
                raise ValueError(f"continuation without a field: {line!r}")
            fields[name] += "\n" + line.strip()
            continue
        name, colon, value = line.partition(":")
        if not colon or name in fields:
            raise ValueError(f"no field, or one given twice: {line!r}")
        fields[name] = value.strip()
    return fields


def paragraphs(text: str) -> Iterator[dict[str, str]]:
    """Parse the paragraphs of a deb822 file in order."""
    for block in re.split(r"\n(?:[ \t]*\n)+", text.replace("\r\n", "\n")):
        fields = paragraph(block.strip("\n"))
        if fields:
            yield fields


_RELATION = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9+.-]*)(?::[a-z0-9-]+)?\s*(?:\(\s*(?P<operator><<|<=|=|>=|>>|<|>)\s*(?P<version>[0-9A-Za-z][^\s()]*)\s*\))?"
)
_OBSOLETE = {"<": "<=", ">": ">="}


@lru_cache(maxsize=4096)
def relations(text: str) -> tuple[tuple[Relation, ...], ...]:
    """Parse Depends, Pre-Depends or Provides: all of the outer tuples must hold, any inner one suffices.

    Raises ValueError for what policy 7.1 does not allow in a binary package.
    """
    groups = []
    for group in text.split(","):
        if not group.strip():
            continue
        alternatives = []
        for alternative in group.split("|"):
            match = _RELATION.fullmatch(alternative.strip())
            if not match:
                raise ValueError(f"not a relation: {alternative.strip()!r}")
            operator = match["operator"] or ""
            alternatives.append(Relation(match["name"], _OBSOLETE.get(operator, operator), match["version"] or ""))
        groups.append(tuple(alternatives))
    return tuple(groups)


@lru_cache(maxsize=4096)
def version_key(version: str) -> tuple[int, Key, Key]:
    """Return a key that orders versions as dpkg does (Debian policy, 5.6.12): epoch, upstream version, revision."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    if not epoch.isdecimal():
        raise ValueError(f"not a Debian version: {version!r}")
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, "0"
    return int(epoch), _part_key(upstream), _part_key(revision)


def upstream_version(version: str) -> str:
    """Return the upstream version alone, as its authors write it: no epoch, no revision, no repacking suffix."""
    upstream = version.partition(":")[2] or version
    upstream = upstream.rpartition("-")[0] or upstream
    return re.split(r"[+~]", upstream, maxsplit=1)[0]


_STEP = re.compile(r"(\D*)(\d*)", re.ASCII)


def _part_key(part: str) -> Key:
    # Every step is padded with the weight of "nothing" (0), which `~` (-1) sorts before and all else after.
    steps = [
        ((*(_weight(character) for character in text), 0), int(number or "0")) for text, number in _STEP.findall(part)
    ]
    return (*steps, ((0,), 0))


def _weight(character: str) -> int:
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 256
