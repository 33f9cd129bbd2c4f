"""numerics-framework: a framework gave no numbers, there or here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from envlock.model.finding import Finding, Rule
from envlock.model.influence import NUMERICS_RANK
from envlock.model.number_words import suite_name
from envlock.model.numerics import PROJECT
from envlock.model.observation import Unknown
from envlock.verify.case import Case

if TYPE_CHECKING:
    from envlock.verify.numbers import Pair

RULE = Rule(
    id="numerics-framework",
    family="NUM",
    title="Every framework of the fingerprint can be imported, and its probes run.",
    why="What did not compute cannot be compared; a framework that crashes or hangs when imported gives no numbers.",
    nature="unknown",
    impact="results",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield why no probe ran at all, else a finding for each framework of which none did."""
    seen = case.observation.numerics
    if case.fingerprint is not None and case.numerics is None:
        why = seen if isinstance(seen, Unknown) else Unknown(reason="the probes were not run")
        yield RULE.finding(
            "probes", expected="their numbers", found=why.reason, fix=why.hint or case.sync, rank=NUMERICS_RANK
        )
    elif isinstance(seen, Unknown):
        yield RULE.finding("probes", expected="their numbers", found=seen.reason, fix=seen.hint, rank=NUMERICS_RANK)
    if case.fingerprint is None or case.numerics is None:
        return
    from envlock.verify.numbers import pairs

    both = pairs(case.fingerprint.numerics, case.numerics)
    if not both:
        yield RULE.finding("probes", expected="their numbers", found="there are none", rank=NUMERICS_RANK)
    for pair in both:
        if pair.expected is not None and pair.obstacle and not pair.is_of_other_probes:
            yield _finding(case, pair)


def _finding(case: Case, pair: Pair) -> Finding:
    assert pair.expected is not None
    failed_there = pair.found is not None and pair.expected.loaded != "ok"
    return RULE.finding(
        suite_name(pair.framework, pair.device),
        expected=f"{suite_name(pair.framework, pair.device)} {pair.expected.version}".rstrip(),
        found=pair.obstacle,
        fix=case.make_fingerprint if failed_there else case.sync,
        package="" if pair.framework == PROJECT else pair.framework,
        rank=NUMERICS_RANK,
    )
