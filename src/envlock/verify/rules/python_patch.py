"""python-patch: the interpreter is of another patch release than the base's."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule, Severity
from envlock.model.influence import PYTHON_RANK
from envlock.verify.case import Case

RULE = Rule(
    id="python-patch",
    family="PY",
    title="The interpreter is of the patch release that the lock's base image holds.",
    why="Patch releases fix bugs, rarely ones that change numbers; no numpy result was seen to differ.",
    severity="warning",
    impact="compat",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding where X.Y agrees and X.Y.Z does not; an error under the policy `bitwise`."""
    base = case.lock.base
    interpreter = case.interpreter
    if base is None or interpreter is None or interpreter.feature != case.lock.python:
        return
    severity: Severity = "error" if case.lock.policy == "bitwise" else "warning"
    if interpreter.version == interpreter.feature:
        yield RULE.finding(
            "python",
            expected=base.python,
            found=f"{interpreter.version}, patch release not found",
            nature="unknown",
            severity="error" if severity == "error" else "info",
            fix=f"envlock build {case.lock.env}",
            rank=PYTHON_RANK,
        )
    elif interpreter.version != base.python:
        yield RULE.finding(
            "python",
            expected=base.python,
            found=interpreter.version,
            severity=severity,
            fix=f"envlock build {case.lock.env}",
            rank=PYTHON_RANK,
        )
