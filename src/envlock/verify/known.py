"""Known numerical changes, release by release, from the files of data/changes."""

from __future__ import annotations

from functools import cache
from importlib.resources import files as resources

import msgspec

from envlock.model.change import Fact


class _Row(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"before": "from", "after": "to"}
):
    before: str
    after: str
    text: str
    what: tuple[str, ...]
    differ: int | None = None


class _Setting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    text: str


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    packages: tuple[str, ...]
    title: str
    probes: int
    conditions: str
    source: str
    change: tuple[_Row, ...] = ()
    setting: tuple[_Setting, ...] = ()


@cache
def _tables() -> tuple[_Table, ...]:
    folder = resources("envlock") / "data/changes"
    found = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return tuple(msgspec.toml.decode((folder / name).read_bytes(), type=_Table) for name in found)


def facts_between(package: str, one: str, other: str) -> list[Fact]:
    """Return what is known to change between two releases, in either direction, oldest first.

    A change from X to Y is told where the lower release is at most X and the higher one at least Y, both compared to
    as many numbers as X and Y give.
    """
    from packaging.version import InvalidVersion, Version

    try:
        low, high = sorted((Version(one), Version(other)))
    except InvalidVersion:
        return []

    def reaches(row: _Row) -> bool:
        before, after = Version(row.before).release, Version(row.after).release
        return low.release[: len(before)] <= before and high.release[: len(after)] >= after

    facts = [
        Fact(
            subject=table.title,
            before=row.before,
            after=row.after,
            text=row.text,
            what=row.what,
            differ=row.differ,
            probes=table.probes,
            conditions=table.conditions,
            source=table.source,
        )
        for table in _tables()
        if package in table.packages
        for row in table.change
        if reaches(row)
    ]
    return sorted(facts, key=lambda fact: Version(fact.before))


def fact_about_setting(name: str) -> str:
    """Return what is known about a setting (`threads` or an environment variable); empty where nothing is."""
    return next((row.text for table in _tables() for row in table.setting if row.name == name), "")
