"""numerics-diverged: probes compute something else than where the fingerprint was made."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.machine import Cpu
from envlock.model.number_words import listed
from envlock.verify.case import Case
from envlock.verify.suite_rows import SuiteRows, explained, passes_agree, rows_in
from envlock.verify.way_back import way_back

RULE = Rule(
    id="numerics-diverged",
    family="NUM",
    title="Probes compute what they did where the fingerprint was made, bit for bit, up to `ulps` of the manifest.",
    why="The same code gives other results here.",
    policies={"compatible": "warning"},
    impact="results",
    source="Measured, see docs/numerics-measured.md: releases of frameworks, threads, settings",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each suite and pass with probes that differ by more than roundings, or nobody knows how."""
    for part in rows_in(case, "diverged"):
        verb = "differs" if len(part.rows) == 1 else "differ"
        yield RULE.finding(
            part.title,
            expected=f"the numbers of {case.fingerprint.hardware}" if case.fingerprint else "",
            found=f"{part.share} {verb}: {listed(part.rows)}",
            why=_why(case, part),
            fix=way_back(case, part),
            package=part.package,
            severity=case.severity(RULE),
            rank=part.rank,
        )


def _why(case: Case, part: SuiteRows) -> str:
    """Say what explains them, else what the two passes tell apart."""
    if said := explained(case, part):
        return said
    one, other = part.tally.expected, part.tally.found
    release = f" {part.tally.framework} {one} is {other} here." if one != other else ""
    agreeing = passes_agree(case, part) if part.tally.which == "configured" else 0
    if agreeing == len(part.rows):
        cause = "On one thread, without any setting, all of them agree: it is the number of threads or a setting."
    elif agreeing:
        cause = f"On one thread, without any setting, {agreeing:,} of them agree: those differ by threads or a setting."
    else:
        cause = "They differ on one thread too, without any setting: by a library, the CPU or the GPU."
    return cause + release + (_processors(case) if part.tally.device == "cpu" else "")


def _processors(case: Case) -> str:
    """Say that the fingerprint was made on another CPU, where that is so."""
    if case.fingerprint is None or case.numerics is None:
        return ""
    there, here = (each.conditions.machine.cpu for each in (case.fingerprint.numerics, case.numerics))
    if (
        not isinstance(there, Cpu)
        or not isinstance(here, Cpu)
        or (there.model, there.level) == (here.model, here.level)
    ):
        return ""
    names = [f"{cpu.model or cpu.vendor} ({cpu.level or cpu.architecture})".strip() for cpu in (there, here)]
    return f" The fingerprint is of a {names[0]}, this is a {names[1]}."
