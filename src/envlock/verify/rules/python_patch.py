"""python-patch: the interpreter is of another patch release than the base's."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.influence import PYTHON_RANK
from envlock.verify.case import Case

RULE = Rule(
    id="python-patch",
    family="PY",
    title="The interpreter is of the patch release that the lock's base image holds.",
    why="Patch releases fix bugs, rarely ones that change numbers; no numpy result was seen to differ.",
    severity="warning",
    policies={"bitwise": "error", "compatible": "info"},
    impact="compat",
    source="Measured, see docs/numerics-measured.md: no NumPy probe differs between CPython 3.9 and 3.11",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding where X.Y agrees and X.Y.Z does not."""
    base = case.lock.base
    interpreter = case.interpreter
    if base is None or interpreter is None or interpreter.feature != case.lock.python:
        return
    if interpreter.version == interpreter.feature:
        yield RULE.finding(
            "python",
            expected=base.python,
            found=f"{interpreter.version}, patch release not found",
            nature="unknown",
            severity="error" if case.severity(RULE) == "error" else "info",
            fix=f"envlock build {case.lock.env}",
            rank=PYTHON_RANK,
        )
    elif interpreter.version != base.python:
        yield RULE.finding(
            "python",
            expected=base.python,
            found=interpreter.version,
            severity=case.severity(RULE),
            fix=f"envlock build {case.lock.env}",
            rank=PYTHON_RANK,
        )
