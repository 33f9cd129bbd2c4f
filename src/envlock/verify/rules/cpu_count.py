"""cpu-count: programs get another number of CPUs than the class asks for."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.influence import CPU_RANK
from envlock.verify.case import Case
from envlock.verify.hardware import asked

RULE = Rule(
    id="cpu-count",
    family="CPU",
    title="Programs get as many CPUs as the class that --on asks for has: online, by affinity and by a cgroup's quota.",
    why="Libraries take a thread for each CPU unless they are told, and threads decide the order of sums.",
    impact="results",
    source="Measured, see docs/numerics-measured.md: from 1 to 2 threads matrix products, decompositions and training "
    "differ",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding where their number is another, or could not be seen."""
    yield from asked(case, RULE, rank=CPU_RANK)
