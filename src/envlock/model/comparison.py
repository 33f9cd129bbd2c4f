"""What several reports agree in, and what not, ranked by what it does to results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from envlock.model.fact import Fact
from envlock.model.finding import Impact, Outcome

Area = Literal[
    "code",
    "data",
    "package",
    "files",
    "source",
    "numerics",
    "python",
    "settings",
    "cpu",
    "accelerator",
    "system",
    "startup",
]
Agreement = Literal["agree", "disagree", "unknown"]
EXIT_CODES: dict[Agreement, int] = {"agree": 0, "disagree": 1, "unknown": 3}


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The reports that say the same of a thing."""

    value: str
    reports: tuple[str, ...]
    """By name, in the order they were given."""


class Disagreement(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the reports do not all say the same of."""

    area: Area
    subject: str
    impact: Impact
    groups: tuple[Group, ...]
    """In the order of the first report of each; reports that do not say it are in none."""
    why: str
    note: str = ""
    """What decides it, where that is not its name."""
    facts: tuple[Fact, ...] = ()
    rank: int
    odd: tuple[str, ...] = ()
    """The reports that say something else than more than half of all do; none where no such majority is."""

    @property
    def usual(self) -> Group | None:
        """What more than half of all reports say, None where there is nothing."""
        return max(self.groups, key=lambda group: len(group.reports)) if self.odd else None


def odd_in(groups: Sequence[Group], reports: int) -> tuple[str, ...]:
    """Return who says something else than more than half of `reports` reports; silence is not odd."""
    usual = next((group for group in groups if 2 * len(group.reports) > reports), None)
    if usual is None:
        return ()
    return tuple(name for group in groups if group is not usual for name in group.reports)


class Odd(msgspec.Struct, frozen=True, kw_only=True):
    """Reports that say something else than most, all of them on the same things."""

    reports: tuple[str, ...]
    subjects: tuple[str, ...]
    """On what, what changes results first; cosmetic things are left out."""
    results: int
    """On how many things that change results: the first so many subjects."""


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """What is said about a report itself, which no comparison is made of."""

    report: str
    created: str
    lock: str = ""
    """Digest of the lock that its project had for the environment; empty where there was none."""
    outcome: Outcome | None = None
    """What `envlock verify` said there, None where it said nothing."""
    findings: int = 0
    """How many errors and warnings it told."""
    reason: str = ""
    """Why there is no outcome although there was a lock."""
    signed: str = ""
    """By whom, as people are told; empty where nobody signed."""
    trusted: bool = False
    """Whether the signer is one of those whom the project allows."""


class Unseen(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that could not be compared."""

    subject: str
    reason: str
    reports: tuple[str, ...]
    """Those that do not say it."""
    hint: str = ""
    failed: bool = False
    """Whether it was looked at in vain; what nobody looked at does not keep reports from agreeing."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Reports compared."""

    reports: tuple[str, ...]
    outcome: Agreement
    """Cosmetic differences alone are no disagreement. `unknown`: nothing differs, and something was not to be seen."""
    shared: tuple[str, ...]
    """What of code and data is the same, such as `same commit 0a1b2c3d`."""
    groups: tuple[tuple[str, ...], ...]
    """The reports parted by all that changes results: those of one group agree in it."""
    disagreements: tuple[Disagreement, ...]
    """What changes results first."""
    unseen: tuple[Unseen, ...]
    packages: int
    """How many have the same version in every report."""
    fix: tuple[str, ...]
    """What to do next."""
    odd: tuple[Odd, ...] = ()
    """Who says something else than most, who does so on most that changes results first."""
    columns: tuple[Column, ...] = ()
    """About each report, in the order of `reports`."""

    @property
    def exit_code(self) -> int:
        """0 where they agree, 1 where they disagree, 3 where that could not be seen."""
        return EXIT_CODES[self.outcome]
