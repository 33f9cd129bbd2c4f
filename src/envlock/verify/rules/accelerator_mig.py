"""accelerator-mig: accelerators are divided where the class asks for whole ones, or divided into no slice at all."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.influence import ACCELERATOR_RANK
from envlock.verify.case import Case
from envlock.verify.hardware import asked

RULE = Rule(
    id="accelerator-mig",
    family="ACC",
    title="Accelerators are whole where the class that --on asks for names models without MIG.",
    why="A slice has fewer multiprocessors, so that kernels sum in another order, and less memory.",
    impact="results",
    source="NVIDIA Multi-Instance GPU User Guide",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding where a model that the class names is divided."""
    yield from asked(case, RULE, rank=ACCELERATOR_RANK)
