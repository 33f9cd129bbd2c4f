"""preload: the loader is told to take libraries from outside the environment."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.factors import ELSEWHERE, entries, factor_of
from envlock.model.finding import Finding, Rule, Severity
from envlock.verify.case import Case

RULE = Rule(
    id="preload",
    family="SYS",
    title="No variable makes the loader put other libraries before those of the environment.",
    why="A library that is loaded first can replace any function; one that is found first may be another CUDA or BLAS.",
    impact="security",
    policies={"compatible": "warning"},
    source="ld.so(8), LD_PRELOAD, LD_LIBRARY_PATH; dyld(1)",
    needs="variables",
)
_SEARCHED = "_PATH"
"""Variables that say where libraries are looked for; the others load them."""


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each such variable; what only says where to look is no error, many systems set it."""
    if case.variables is None or case.is_vouched:
        return
    for name, value in sorted(case.variables.values.items()):
        factor = factor_of(name)
        if factor is None or factor.kind != "library" or name in case.expected_variables:
            continue  # variable-value
        yield RULE.finding(
            name,
            expected="not set",
            found=_told(value),
            fix=case.unset(name),
            why=factor.what,
            severity=_severity(case, name),
        )


def _severity(case: Case, name: str) -> Severity:
    if not name.endswith(_SEARCHED):
        return case.setting_severity(RULE, told="warning")
    inside = case.variables is not None and case.variables.origin in ("image", "container")
    if not case.judges_settings or (inside and case.lock.cuda == "base"):
        return "info"  # runners of CI name their interpreter's folder, bases with CUDA that of CUDA
    return "error" if case.lock.policy == "bitwise" else "warning"


def _told(value: str) -> str:
    hidden = [entry for entry in entries(value) if entry == ELSEWHERE]
    shown = [entry for entry in entries(value) if entry != ELSEWHERE]
    return ", ".join([*shown, f"{len(hidden)} elsewhere"] if hidden else shown)
