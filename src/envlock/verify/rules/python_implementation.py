"""python-implementation: the interpreter is not CPython."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.influence import PYTHON_RANK
from envlock.verify.case import Case

RULE = Rule(
    id="python-implementation",
    family="PY",
    title="The interpreter is CPython, for which the wheels were locked.",
    why="Another implementation loads other wheels and orders floating-point work differently.",
    impact="results",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for PyPy, GraalPy and the like."""
    interpreter = case.interpreter
    if interpreter is not None and interpreter.implementation != "cpython":
        yield RULE.finding(
            "python", expected="cpython", found=interpreter.implementation, fix=case.sync, rank=PYTHON_RANK
        )
