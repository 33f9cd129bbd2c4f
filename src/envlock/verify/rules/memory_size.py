"""memory-size: programs get another amount of memory than the class asks for."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.influence import CPU_RANK
from envlock.verify.case import Case
from envlock.verify.hardware import asked

RULE = Rule(
    id="memory-size",
    family="CPU",
    title="Programs get as much memory as the class that --on asks for has, what firmware and kernel keep counted in.",
    why="What does not fit is swapped or killed.",
    impact="compat",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding where it is another, or could not be seen."""
    yield from asked(case, RULE, rank=CPU_RANK)
