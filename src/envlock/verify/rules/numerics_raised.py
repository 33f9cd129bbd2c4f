"""numerics-raised: probes raise an exception, or return what cannot be compared."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.influence import NUMERICS_RANK
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
    for part in rows_in(case, "raised"):
        own = part.tally.framework == PROJECT
        yield RULE.finding(
            part.title,
            expected="a result",
            found=f"{part.share} gave none: {listed(part.rows)}",
            fix=f"{case.make_fingerprint}   (once the functions of [env.{case.lock.env}.probes] return one)"
            if own
            else case.sync,
            package=part.package,
            rank=NUMERICS_RANK,
        )
