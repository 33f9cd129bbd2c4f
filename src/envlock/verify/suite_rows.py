"""The rows of a comparison as rules tell them: those of one state together, by suite and pass, the worst first."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from envlock.model.influence import NUMERICS_RANK
from envlock.model.number_words import because, merged, title_of
from envlock.model.numbers import Row, State, Tally
from envlock.model.numerics import PASSES, PROJECT
from envlock.verify.case import Case


class SuiteRows(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one suite in one pass that mean the same, and the counts of all its probes."""

    tally: Tally
    rows: tuple[Row, ...]

    @property
    def title(self) -> str:
        """What findings about them are about, such as `tensorflow, as configured`."""
        return title_of(self.tally.framework, self.tally.device, self.tally.which)

    @property
    def package(self) -> str:
        """The framework, as a package; empty for the project's own probes."""
        return "" if self.tally.framework == PROJECT else self.tally.framework

    @property
    def rank(self) -> int:
        """Among findings: one thread goes before what is configured, since fewer factors are left there."""
        return NUMERICS_RANK + PASSES.index(self.tally.which)

    @property
    def share(self) -> str:
        """How many of the probes they are, such as `24 of 171 probes`."""
        noun = "probe" if self.tally.probes == 1 else "probes"
        return f"{len(self.rows):,} of {self.tally.probes:,} {noun}"


def rows_in(case: Case, state: State, wanted: Callable[[Row], bool] = lambda row: True) -> Iterator[SuiteRows]:  # noqa: ARG005
    """Yield the rows in a state, by suite and pass; nothing where numbers were not compared."""
    if case.numbers is None:
        return
    for tally in case.numbers.tallies:
        rows = [
            row
            for row in case.numbers.rows
            if (row.framework, row.device, row.which) == (tally.framework, tally.device, tally.which)
            and row.state == state
            and wanted(row)
            and not tally.reason
        ]
        if rows:
            yield SuiteRows(tally=tally, rows=tuple(sorted(rows, key=lambda row: row.weight)))


def explained(case: Case, found: SuiteRows) -> str:
    """Return what explains some rows, a sentence for each factor; empty where nobody looked for it."""
    names = {row.probe for row in found.rows}
    said = [because(each, names) for each in merged(case.observation.explanations) if names.intersection(each.probes)]
    return " ".join(f"{sentence}." for sentence in said)


def passes_agree(case: Case, found: SuiteRows) -> int:
    """Return how many of some probes, run as configured, give the expected bits on one thread without any setting."""
    names = {row.probe for row in found.rows}
    return sum(
        row.probe in names and row.which == "canonical" and row.state == "equal"
        for row in (case.numbers.rows if case.numbers is not None else ())
        if (row.framework, row.device) == (found.tally.framework, found.tally.device)
    )
