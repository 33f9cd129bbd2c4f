"""accelerator-count: there is another number of accelerators than the class asks for."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.influence import ACCELERATOR_RANK
from envlock.verify.case import Case
from envlock.verify.hardware import asked

RULE = Rule(
    id="accelerator-count",
    family="ACC",
    title="As many accelerators fit as the class that --on asks for has.",
    why="Gradients of another number of devices are summed in another order, over batches of another size.",
    impact="results",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding where the number is another, or could not be seen."""
    yield from asked(case, RULE, rank=ACCELERATOR_RANK)
