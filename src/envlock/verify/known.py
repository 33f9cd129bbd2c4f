"""Known numerical changes, release by release and setting by setting, from the files of data/changes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files as resources
from typing import TYPE_CHECKING

import msgspec

from envlock.model import records
from envlock.model.fact import REACHES, Fact, Reach, known

if TYPE_CHECKING:
    from packaging.version import Version

MEASURED = "measured by envlock"


class _Row(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename={"before": "from", "after": "to", "release": "in"},
):
    """A change that came with a release, known by a link; or one measured between two, known by our probes."""

    release: str = ""
    link: str = ""
    before: str = ""
    after: str = ""
    differ: int | None = None
    probes: int = 0
    conditions: str = ""
    reach: Reach
    what: tuple[str, ...]
    text: str

    @property
    def last(self) -> str:
        """The release that has it."""
        return self.release or self.after

    def lies_between(self, low: Version, high: Version) -> bool:
        """Tell whether a step from one release to another brings the change.

        What was measured between two minor releases is told of their patch releases too.
        """
        from packaging.version import Version

        after = Version(self.last).release
        if self.release:
            return _cut(low, len(after)) < after <= _cut(high, len(after))
        before = Version(self.before).release
        digits = 2 if before[:2] != after[:2] else max(len(before), len(after))
        return _cut(low, digits) <= before[:digits] and _cut(high, digits) >= after[:digits]

    @property
    def weight(self) -> tuple[int, int, int]:
        """Sort key: how much it touches, what was measured first, then by how many probes differ."""
        return REACHES.index(self.reach), self.differ is None, -(self.differ or 0)


class _Setting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    """`threads`, or an environment variable."""
    text: str
    link: str = ""
    differ: int | None = None
    probes: int = 0
    conditions: str = ""


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    packages: tuple[str, ...]
    """Normalised names; where several of them change, the first tells."""
    title: str
    change: tuple[_Row, ...] = ()
    setting: tuple[_Setting, ...] = ()


@cache
def _tables() -> tuple[_Table, ...]:
    folder = resources("envlock") / "data/changes"
    found = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return tuple(records.from_toml((folder / name).read_bytes(), _Table) for name in found)


def facts_of(steps: Mapping[str, tuple[str, str]]) -> dict[str, tuple[Fact, ...]]:
    """Return what is known to change between two releases of packages, in either direction, the weightiest first.

    Packages go by their normalised names; those of one project tell each fact once.
    """
    return {
        package: tuple(_fact(table, row) for row in rows)
        for table in _tables()
        for package, rows in _rows(table, steps)
    }


def _rows(table: _Table, steps: Mapping[str, tuple[str, str]]) -> Iterator[tuple[str, list[_Row]]]:
    from packaging.version import InvalidVersion, Version

    untold = list(table.change)
    for package in table.packages:
        if package not in steps:
            continue
        try:
            low, high = sorted(map(Version, steps[package]))
        except InvalidVersion:
            continue
        found = [row for row in untold if row.lies_between(low, high)]
        untold = [row for row in untold if row not in found]
        if found:
            yield package, sorted(found, key=lambda row: (row.weight, Version(row.last)))


def _fact(table: _Table, row: _Row) -> Fact:
    return Fact(
        subject=table.title,
        before=row.before,
        after=row.last,
        text=row.text,
        reach=row.reach,
        what=row.what,
        differ=row.differ,
        probes=row.probes,
        conditions=row.conditions,
        source=row.link or MEASURED,
    )


def _cut(version: Version, digits: int) -> tuple[int, ...]:
    """Return the first numbers of a release, zeros for those that it does not name."""
    return (*version.release, 0, 0, 0, 0)[:digits]


def fact_about_setting(name: str, packages: Collection[str] | None = None) -> str:
    """Return what is known about a setting (`threads` or an environment variable); empty where nothing is.

    Args:
        packages: normalised names of those that are there, None where that is not known. What is known of several of
            them is told of the one that it changes most.
    """
    found: Iterable[tuple[_Table, _Setting]] = (
        (table, setting)
        for table in _tables()
        for setting in table.setting
        if setting.name == name and (packages is None or not set(table.packages).isdisjoint(packages))
    )
    best = max(found, key=lambda pair: (pair[1].differ or 0) / (pair[1].probes or 1), default=None)
    if best is None:
        return ""
    setting = best[1]
    source = known(setting.differ, setting.probes, setting.conditions, setting.link or MEASURED)
    return f"{setting.text.rstrip('.')} ({source})."
