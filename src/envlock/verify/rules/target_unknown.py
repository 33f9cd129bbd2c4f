"""target-unknown: the environment or its interpreter could not be observed at all."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.influence import PYTHON_RANK
from envlock.model.observation import Unknown
from envlock.verify.case import Case

RULE = Rule(
    id="target-unknown",
    family="PY",
    title="The target's interpreter and its installed files can be seen.",
    why="What was not seen is not verified.",
    nature="unknown",
    impact="results",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding with the reason where there is nothing to judge."""
    environment = case.observation.environment
    missing = environment if isinstance(environment, Unknown) else None
    if missing is None and case.environment is not None and isinstance(case.environment.interpreter, Unknown):
        missing = case.environment.interpreter
    if missing is not None:
        yield RULE.finding(
            "environment" if missing is environment else "python",
            expected=f"Python {case.lock.python} and {len(case.locked)} packages",
            found=missing.reason,
            fix=missing.hint or case.sync,
            rank=PYTHON_RANK,
        )
