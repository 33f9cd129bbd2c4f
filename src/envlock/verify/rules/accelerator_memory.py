"""accelerator-memory: no accelerator has as much memory as the class asks for."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.influence import ACCELERATOR_RANK
from envlock.verify.case import Case
from envlock.verify.hardware import asked

RULE = Rule(
    id="accelerator-memory",
    family="ACC",
    title="An accelerator has as much memory as the class that --on asks for, what error correction keeps counted in.",
    why="What does not fit ends in an error, and libraries choose algorithms by the workspace that they may take.",
    impact="compat",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding where it is another, or could not be seen."""
    yield from asked(case, RULE, rank=ACCELERATOR_RANK)
