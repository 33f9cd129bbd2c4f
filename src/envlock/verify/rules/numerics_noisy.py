"""numerics-noisy: probes give something else each time, so that nothing follows from a difference."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.number_words import listed
from envlock.model.numbers import Row
from envlock.model.numerics import PROJECT
from envlock.verify.case import Case
from envlock.verify.suite_rows import SuiteRows, rows_in

RULE = Rule(
    id="numerics-noisy",
    family="NUM",
    title="A probe gives the same numbers twice in one process; known noise of built-in probes is a note.",
    why="What does not repeat on one machine cannot be compared between two: a race of threads, or a random number "
    "without a seed.",
    nature="unknown",
    impact="results",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each suite and pass, those that the fingerprint knows as noisy apart."""
    for part in rows_in(case, "noisy", lambda row: not _is_known(row)):
        yield _finding(case, part)
    for part in rows_in(case, "noisy", _is_known):
        yield RULE.finding(
            part.title,
            expected="noise, as in the fingerprint",
            found=f"{part.share}: {listed(part.rows)}",
            why="As configured they did not repeat where the fingerprint was made; the canonical pass compares them.",
            package=part.package,
            severity="info",
            rank=part.rank,
        )


def _finding(case: Case, part: SuiteRows) -> Finding:
    env = case.lock.env
    if part.tally.framework == PROJECT:
        fix = f"Seed every random number that the functions of [env.{env}.probes] draw."
    else:
        fix = f"envlock lock {env}   (with threads = 1 in [env.{env}.settings])" if _is_threaded(part) else ""
    return RULE.finding(
        part.title,
        expected="the same numbers twice",
        found=f"{part.share}: {listed(part.rows)}",
        fix=fix,
        package=part.package,
        rank=part.rank,
    )


def _is_threaded(part: SuiteRows) -> bool:
    return part.tally.which == "configured" and part.tally.device == "cpu"


def _is_known(row: Row) -> bool:
    """Tell whether a built-in probe was noisy where the fingerprint was made, with all threads."""
    return row.expected == "noisy" and row.which == "configured" and row.framework != PROJECT
