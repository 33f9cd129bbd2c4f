"""What several reports agree in, and what not, ranked by what it does to results."""

from __future__ import annotations

from typing import Literal

import msgspec

from envlock.model.fact import Fact
from envlock.model.finding import Impact

Area = Literal[
    "code", "data", "package", "files", "source", "python", "settings", "cpu", "accelerator", "system", "startup"
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

    @property
    def exit_code(self) -> int:
        """0 where they agree, 1 where they disagree, 3 where that could not be seen."""
        return EXIT_CODES[self.outcome]
