"""accelerator-capability: no accelerator has the compute capability that the class asks for."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.influence import ACCELERATOR_RANK
from envlock.verify.case import Case
from envlock.verify.hardware import asked

RULE = Rule(
    id="accelerator-capability",
    family="ACC",
    title="An accelerator has the compute capability of the class that --on asks for.",
    why="It decides which kernels there are: tensor cores, TF32 and BF16 come with it.",
    impact="results",
    source="CUDA C++ Programming Guide, Compute Capabilities",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding where it is another, or could not be seen."""
    yield from asked(case, RULE, rank=ACCELERATOR_RANK)
