"""numerics-raised: probes raise an exception, or return what cannot be compared."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.number_words import listed
from envlock.model.numerics import PROJECT
from envlock.verify.case import Case
from envlock.verify.suite_rows import SuiteRows, rows_in

RULE = Rule(
    id="numerics-raised",
    family="NUM",
    title="Probes return arrays, numbers or bytes, or lists and dicts of them.",
    why="Without a result there is nothing to compare.",
    nature="unknown",
    impact="results",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each suite and pass with such probes."""
    for part in rows_in(case, "raised"):
        yield RULE.finding(
            part.title,
            expected="a result",
            found=f"{part.share} gave none: {listed(part.rows)}",
            fix=_fix(case, part),
            package=part.package,
            rank=part.rank,
        )


def _fix(case: Case, part: SuiteRows) -> str:
    """Say what to do: about those that raise first, since what they would return nobody knows."""
    here = {row.found for row in part.rows}
    if not here & {"raised", "unhashable"}:
        return case.make_fingerprint
    if part.tally.framework != PROJECT:
        return case.sync
    own = f"functions of [env.{case.lock.env}.probes]"
    if "raised" in here:
        return f"Mend the {own} that raise; then {case.make_fingerprint}"
    return f"The {own} must return arrays, numbers, bytes, or lists and dicts of them."
