"""accelerator-kind: there is no accelerator of the kind that the class asks for, or there is one and none may be."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.influence import ACCELERATOR_RANK
from envlock.verify.case import Case
from envlock.verify.hardware import asked

RULE = Rule(
    id="accelerator-kind",
    family="ACC",
    title="There is an accelerator of the kind that the class of --on asks for, and none where it asks for none.",
    why="Frameworks fall back to the CPU without a word, or compute on a GPU that was not meant: all numbers differ.",
    impact="results",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding where the kind is another, or could not be seen."""
    yield from asked(case, RULE, rank=ACCELERATOR_RANK)
