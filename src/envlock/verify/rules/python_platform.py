"""python-platform: the target's platform is not locked."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.influence import PYTHON_RANK
from envlock.model.observation import Interpreter
from envlock.verify.case import Case

RULE = Rule(
    id="python-platform",
    family="PY",
    title="The target is one of the lock's platforms.",
    why="Other wheels with other kernels are installed there, and nothing was locked for it.",
    impact="results",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding where no locked platform is the target's."""
    if case.observed_platform is not None:
        return
    found = ""
    if case.image is not None and case.image.platform is not None:
        found = str(case.image.platform)
    elif case.environment is not None and isinstance(case.environment.interpreter, Interpreter):
        found = f"{case.environment.interpreter.system}/{case.environment.interpreter.machine}"
    if found:
        yield RULE.finding(
            "platform",
            expected=", ".join(map(str, case.lock.platforms)),
            found=found,
            fix=f"envlock lock {case.lock.env}   (with the platform in [env.{case.lock.env}] platforms)",
            rank=PYTHON_RANK,
        )
