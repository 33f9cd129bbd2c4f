"""program-impostor: a program in the scripts folder has the name of python or pip and is another one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from envlock.formats.dist_info import EntryPointScript
from envlock.formats.launcher import body_of, launchers
from envlock.model.finding import Finding, Rule, Severity
from envlock.model.observation import Environment
from envlock.verify.case import Case

RULE = Rule(
    id="program-impostor",
    family="FILE",
    title="What is called python in the scripts folder is the interpreter, what is called pip is pip's launcher.",
    why="It runs whenever somebody types that name, and may do anything first.",
    impact="security",
    source="PEP 405; the launchers that pip, ensurepip and virtualenv write",
)
_PIP = re.compile(r"pip([\d.]+|-[\d.]+)?")
_ENTRY = tuple(EntryPointScript("pip", module, "main") for module in ("pip._internal.cli.main", "pip._internal", "pip"))


def check(case: Case) -> Iterator[Finding]:
    """Yield an error for a script that is called python, a warning for another interpreter and for another pip."""
    environment = case.environment
    if environment is None or not environment.walked:
        return
    for path, what in sorted(environment.impostors.items()):
        if path in case.owners:
            continue
        severity: Severity = "warning" if what == "another interpreter" or "cannot be read" in what else "error"
        yield RULE.finding(
            case.shown(path),
            expected="the environment's interpreter",
            found=what,
            fix=case.remove(path),
            path=case.shown(path),
            severity=severity,
        )
    for path, what in _strange_pips(case, environment):
        yield RULE.finding(
            case.shown(path),
            expected="the launcher of pip",
            found=what,
            fix=case.remove(path),
            path=case.shown(path),
            severity="warning",
        )


def _strange_pips(case: Case, environment: Environment) -> Iterator[tuple[str, str]]:
    scripts = environment.layout.scripts
    if f"{environment.layout.prefix}/pyvenv.cfg" not in environment.files:
        return
    for path in sorted(path for path in case.unclaimed if path.startswith(f"{scripts}/")):
        if not _PIP.fullmatch(path[len(scripts) + 1 :]):
            continue
        if "pip" not in case.installed:
            yield path, "pip is not installed"
            continue
        content = case.unclaimed[path].content
        if not environment.hashed:
            continue  # --quick reads no scripts
        body = body_of(content, case.shebangs) if content is not None else None
        if body is None or not any(body in set(launchers(entry)) for entry in _ENTRY):
            yield path, "another program"
