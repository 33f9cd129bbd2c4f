"""cpu-features: the CPU lacks features that the class asks for."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.influence import CPU_RANK
from envlock.verify.case import Case
from envlock.verify.hardware import asked

RULE = Rule(
    id="cpu-features",
    family="CPU",
    title="The CPU has the features of the class that --on asks for.",
    why="Libraries choose their kernels by them, and sums are taken in another order.",
    impact="results",
    source="Measured, see docs/numerics-measured.md: without NumPy's loops for AVX2 or AVX-512 logarithms, powers and "
    "the order of equal elements differ; oneDNN is on by default only with AVX512_VNNI, BF16 or AMX (tensorflow#56039)",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding where features are missing, or could not be seen."""
    yield from asked(case, RULE, rank=CPU_RANK)
