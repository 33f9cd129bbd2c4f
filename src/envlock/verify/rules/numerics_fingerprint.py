"""numerics-fingerprint: there is no fingerprint that numbers could be held against."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.influence import NUMERICS_RANK
from envlock.model.number_words import listed, suite_name
from envlock.model.numerics import Fingerprint
from envlock.model.observation import Unknown
from envlock.verify.case import Case
from envlock.verify.suite_rows import rows_in

RULE = Rule(
    id="numerics-fingerprint",
    family="NUM",
    title="There is a fingerprint of this lock, made with these probes, to hold the numbers against.",
    why="Numbers of another lock, or of other computations, say nothing about this one.",
    nature="unknown",
    impact="results",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield why the fingerprint cannot be used, else each part of it that is not there."""
    if not case.compares_numbers:
        return
    found = case.terms.fingerprint
    if not isinstance(found, Fingerprint):
        why = found if isinstance(found, Unknown) else Unknown(reason="no fingerprint was given")
        yield _finding(case, "fingerprint", f"one of the lock of {case.lock.env}", why.reason, why.hint)
    elif found.lock != case.lock_file.digest:
        yield _finding(
            case,
            "fingerprint",
            f"one of the lock sha256:{case.lock_file.digest}",
            f"of another lock, sha256:{found.lock}",
        )
    else:
        yield from _parts(case, found)


def _parts(case: Case, fingerprint: Fingerprint) -> Iterator[Finding]:
    """Yield a finding for each suite that the fingerprint lacks or has of other probes, and for single answers."""
    if case.numerics is None:
        return
    from envlock.verify.numbers import pairs

    for pair in pairs(fingerprint.numerics, case.numerics):
        name = suite_name(pair.framework, pair.device)
        if pair.expected is None:
            yield _finding(case, name, "its numbers", pair.obstacle)
        elif pair.is_of_other_probes:
            yield _finding(case, name, "numbers of these probes", pair.obstacle)
    for part in rows_in(case, "unknown"):
        expected = "an answer there and here"
        yield _finding(case, part.title, expected, f"{part.share} have none: {listed(part.rows)}")


def _finding(case: Case, subject: str, expected: str, found: str, hint: str = "") -> Finding:
    return RULE.finding(subject, expected=expected, found=found, fix=hint or case.make_fingerprint, rank=NUMERICS_RANK)
