"""numerics-raised: probes raise an exception, or return what cannot be compared."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.number_words import PROJECT, listed
from envlock.verify.case import Case
from envlock.verify.suite_rows import rows_in

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
    own = (
        f"The functions of [env.{case.lock.env}.probes] must return arrays, numbers, bytes, or lists and dicts of them."
    )
    for part in rows_in(case, "raised"):
        yield RULE.finding(
            part.title,
            expected="a result",
            found=f"{part.share} gave none: {listed(part.rows)}",
            fix=own if part.tally.framework == PROJECT else case.sync,
            package=part.package,
            rank=part.rank,
        )
