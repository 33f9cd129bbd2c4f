"""Two locks of one environment that were changed apart: what the relocked one starts from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from envlock.model.lock import Lock, Package

Pins = Mapping[str, tuple[str, ...]]
"""Project to its versions: several where platforms differ."""

_PIN = re.compile(r'^\[\[packages\]\]\nname = "([^"\n]+)"\nversion = "([^"\n]+)"$', re.MULTILINE)
_MARKER = re.compile(r"(<{7,}|\|{7,}|={7,}|>{7,})( .*)?")
_Value = TypeVar("_Value")


class Sides(msgspec.Struct, frozen=True, kw_only=True):
    """The texts that a file with conflict markers was made of; the same text where there are none."""

    ours: str
    theirs: str
    ancestor: str | None
    """None where the markers do not show it (git's conflict style `merge`)."""


def sides_of(text: str) -> Sides:
    """Take a conflicted file apart."""
    sides: dict[str, list[str]] = {"<": [], "|": [], ">": []}
    shown = conflicts = 0
    current = "<|>"
    for line in text.splitlines():
        found = _MARKER.fullmatch(line)
        if found is None or (found[1][0] != "<" and current == "<|>"):
            for side in current:
                sides[side].append(line)
            continue
        mark = found[1][0]
        conflicts += mark == "<"
        shown += mark == "|"
        current = {"<": "<", "|": "|", "=": ">", ">": "<|>"}[mark]
    ours, ancestor, theirs = ("".join(f"{line}\n" for line in sides[side]) for side in "<|>")
    return Sides(ours=ours, theirs=theirs, ancestor=ancestor if shown == conflicts else None)


def pins_of(text: str) -> Pins:
    """Return the pins of a lock's text, whatever else is wrong with it."""
    pins: dict[str, tuple[str, ...]] = {}
    for name, version in _PIN.findall(text.replace("\r\n", "\n")):
        pins[name] = (*pins.get(name, ()), version)
    return pins


def salvaged(text: str, env: str) -> Lock:
    """Return a lock that holds nothing but the pins of both sides of a conflicted (or otherwise broken) lock."""
    sides = sides_of(text)
    ancestor = pins_of(sides.ancestor) if sides.ancestor is not None else {}
    ours, theirs = pins_of(sides.ours), pins_of(sides.theirs)
    pins = {name: _chosen(ancestor.get(name), ours.get(name), theirs.get(name), _newest) for name in {*ours, *theirs}}
    packages = tuple(
        Package(name=name, version=version, wheels=())
        for name, versions in sorted(pins.items())
        for version in versions or ()
    )
    return Lock(env=env, python="", platforms=(), packages=packages, frameworks=(), as_of=None)


def merged_lock(ancestor: Lock | None, ours: Lock, theirs: Lock) -> Lock:
    """Merge field by field and package by package: what one side alone changed is as that side has it.

    Where both changed a package, the newer version stays; where both changed anything else, ours.
    """
    fields: dict[str, Any] = {
        name: _picked(getattr(ancestor, name, None), getattr(ours, name), getattr(theirs, name))
        for name in ("as_of", "as_of_packages", "base")
    }
    old = ancestor.inputs if ancestor else {}
    names = sorted({*ours.inputs, *theirs.inputs})
    inputs = {name: _picked(old.get(name), ours.inputs.get(name), theirs.inputs.get(name)) for name in names}
    before, mine, other = (_by_name(lock.packages if lock else ()) for lock in (ancestor, ours, theirs))
    packages = [
        _chosen(before.get(name), mine.get(name), other.get(name), _newest_packages) for name in sorted({*mine, *other})
    ]
    return msgspec.structs.replace(
        ours,
        inputs={name: text for name, text in inputs.items() if text is not None},
        # Dependencies are left out: which extras count follows from both sides together.
        packages=tuple(
            msgspec.structs.replace(package, dependencies=()) for several in packages for package in several or ()
        ),
        **fields,
    )


def _by_name(packages: Sequence[Package]) -> dict[str, tuple[Package, ...]]:
    table: dict[str, tuple[Package, ...]] = {}
    for package in packages:
        table[package.name] = (*table.get(package.name, ()), package)
    return table


def _picked(ancestor: _Value | None, ours: _Value, theirs: _Value) -> _Value:
    return theirs if ours == ancestor else ours


def _chosen(ancestor: _Value | None, ours: _Value | None, theirs: _Value | None, newer: Any) -> _Value | None:
    """Return one side of three: None is one that does not have it, and wins only over what nobody changed."""
    if ours == ancestor:
        return theirs
    if theirs == ancestor:
        return ours
    if ours is None or theirs is None:
        return ours or theirs
    chosen: _Value = newer(ours, theirs)
    return chosen


def _newest(ours: tuple[str, ...], theirs: tuple[str, ...]) -> tuple[str, ...]:
    return max(ours, theirs, key=_highest)


def _newest_packages(ours: tuple[Package, ...], theirs: tuple[Package, ...]) -> tuple[Package, ...]:
    return max(ours, theirs, key=lambda several: _highest(tuple(package.version for package in several)))


def _highest(versions: tuple[str, ...]) -> Any:
    from packaging.version import InvalidVersion, Version

    try:
        return max(Version(version) for version in versions)
    except InvalidVersion:
        return Version("0")
