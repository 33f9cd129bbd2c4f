"""accelerator-model: no accelerator is one of the models that the class names."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.influence import ACCELERATOR_RANK
from envlock.verify.case import Case
from envlock.verify.hardware import asked

RULE = Rule(
    id="accelerator-model",
    family="ACC",
    title="An accelerator is one of the models of the class that --on asks for.",
    why="Kernels are chosen and sums are ordered by the model and its multiprocessors; random numbers may differ too.",
    impact="results",
    source="pytorch#143086, pytorch#194676; cuDNN is never bitwise equal across architectures",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding where it is none of them."""
    yield from asked(case, RULE, rank=ACCELERATOR_RANK)
