"""cpu-level: the CPU does not reach the level of the class that was asked for."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.influence import CPU_RANK
from envlock.verify.case import Case
from envlock.verify.hardware import asked

RULE = Rule(
    id="cpu-level",
    family="CPU",
    title="The CPU reaches the generic level of the class that --on asks for.",
    why="Libraries choose their kernels by it; code compiled for a higher level ends in an illegal instruction.",
    impact="results",
    source="x86-64 psABI, Micro-Architecture Levels; measured, see docs/numerics-measured.md: OpenBLAS's kernels for "
    "other cores change products and decompositions, and end in SIGILL where the CPU lacks their instructions",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding where the level is another, or could not be seen."""
    yield from asked(case, RULE, rank=CPU_RANK)
