"""python-version: the interpreter is of another feature version."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.influence import PYTHON_RANK
from envlock.verify.case import Case

RULE = Rule(
    id="python-version",
    family="PY",
    title="The interpreter has the locked feature version.",
    why="Wheels are built for one feature version, and the standard library differs.",
    impact="results",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding where the target's Python is not the locked X.Y."""
    interpreter = case.interpreter
    if interpreter is not None and interpreter.feature != case.lock.python:
        yield RULE.finding(
            "python", expected=case.lock.python, found=interpreter.version, fix=case.sync, rank=PYTHON_RANK
        )
