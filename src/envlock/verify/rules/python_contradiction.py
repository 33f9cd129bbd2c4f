"""python-contradiction: the interpreter's files disagree with what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.influence import PYTHON_RANK
from envlock.model.observation import Interpreter
from envlock.verify.case import Case

RULE = Rule(
    id="python-contradiction",
    family="PY",
    title="What the interpreter says of itself agrees with its program, pyvenv.cfg and its folders.",
    why="A Python that is wrong about its version may be wrong about anything: its answers prove nothing.",
    nature="unknown",
    impact="results",
    source="PEP 405 (pyvenv.cfg); PY_VERSION in the program or its libpython; Modules/getpath.py of CPython",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each contradiction."""
    environment = case.environment
    if environment is None or not isinstance(environment.interpreter, Interpreter):
        return
    for contradiction in environment.interpreter.contradictions:
        yield RULE.finding(
            "python",
            expected="an interpreter that its own files confirm",
            found=contradiction,
            fix=case.reinstall(),
            rank=PYTHON_RANK,
        )
