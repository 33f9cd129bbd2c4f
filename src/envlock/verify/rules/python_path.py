"""python-path: a variable or the user's own site brings code in from outside the environment."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.factors import ELSEWHERE, entries, factor_of
from envlock.model.finding import Finding, Rule, Severity
from envlock.model.influence import PYTHON_RANK
from envlock.verify.case import Case

RULE = Rule(
    id="python-path",
    family="PY",
    title="Python imports from the environment and the project alone: PYTHONPATH and its like bring nothing else in.",
    why="Modules found there go before the locked ones of the same name.",
    impact="security",
    source="Python command line, PYTHONPATH, PYTHONHOME, PYTHONPYCACHEPREFIX: they go before site-packages",
    needs="variables",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each such variable, and one for folders of sys.path that stand outside the environment."""
    yield from _outside(case)
    if case.variables is None or case.is_vouched:
        return
    for name, value in sorted(case.variables.values.items()):
        factor = factor_of(name)
        if factor is None or factor.kind != "code" or name in case.expected_variables:
            continue  # variable-value
        strangers = _strangers(case, value)
        yield RULE.finding(
            name,
            expected="not set",
            found=_told(value, strangers),
            fix=case.unset(name),
            why=factor.what,
            severity="info" if factor.ambient or not strangers else _severity(case, name),
            impact=factor.impact,
            rank=PYTHON_RANK,
        )


def _severity(case: Case, name: str) -> Severity:
    """Return an error where settings are judged; images often name the folder of their own program in PYTHONPATH."""
    if name == "PYTHONPATH" and _in_image(case) and case.lock.policy != "bitwise":
        return "warning"
    return case.setting_severity(RULE, told="warning")


def _in_image(case: Case) -> bool:
    return case.variables is not None and case.variables.origin in ("image", "container")


def _strangers(case: Case, value: str) -> int:
    """Return how many folders stand outside the project: in an image, what the lock does not say is all outside."""
    if _in_image(case):
        return len(entries(value))
    return sum(entry.startswith(ELSEWHERE) for entry in entries(value))


def _told(value: str, strangers: int) -> str:
    inside = [entry for entry in entries(value) if not entry.startswith(ELSEWHERE)]
    folders = f"{strangers} {'folder' if strangers == 1 else 'folders'} outside the project"
    parts = [*inside, folders] if len(inside) < len(entries(value)) else inside
    return ", ".join(parts)


def _outside(case: Case) -> Iterator[Finding]:
    """What is installed there is judged like everything else: that it counts at all is only told."""
    environment = case.environment
    if environment is None or case.image is not None:
        return
    prefix = environment.layout.prefix.rstrip("/") + "/"
    outside = {site for site in environment.layout.sites if not site.startswith(prefix)}
    if outside:
        yield RULE.finding(
            "sys.path",
            expected="folders of the environment",
            found=f"{len(outside)} outside of it: the user's own packages, or the system's",
            why="What is installed there can be imported too, and an update of the system changes it.",
            severity="info",
            rank=PYTHON_RANK,
        )
