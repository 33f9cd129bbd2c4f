"""variable-unset: a variable that changes numbers is set, and the lock does not set it."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.factor_table import Factor
from envlock.model.factors import factor_of, relevant
from envlock.model.finding import Finding, Rule, Severity
from envlock.model.influence import SETTINGS_RANK
from envlock.model.machine import Accelerators, Machine
from envlock.verify.case import Case
from envlock.verify.known import fact_about_setting

RULE = Rule(
    id="variable-unset",
    family="ENV",
    title="No environment variable that changes the numbers of a locked package is set unless the lock sets it.",
    why="It chooses kernels, their order, their precision or their seed, and nobody else has it.",
    policies={"compatible": "warning"},
    impact="results",
    source="The documentation of each library; measured, see docs/numerics-measured.md",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each; a warning at most in a plain shell, from which `envlock run` passes none on."""
    if case.variables is None or case.is_vouched:
        return
    for name, value in sorted(case.variables.values.items()):
        factor = factor_of(name)
        if factor is None or factor.kind in ("threads", "code", "library") or name in case.expected_variables:
            continue  # threads-count, python-path, preload
        if not relevant(factor, case.locked):
            continue
        yield RULE.finding(
            name,
            expected="not set",
            found=value,
            fix=case.unset(name, lockable=True),
            why=fact_about_setting(name, case.locked) or factor.what,
            severity=_severity(case, factor),
            impact=factor.impact,
            rank=SETTINGS_RANK,
        )


def _severity(case: Case, factor: Factor) -> Severity:
    if factor.ambient or factor.impact != "results" or (factor.kind == "accelerator" and _has_none(case)):
        return "info"
    return case.setting_severity(RULE, told="warning")


def _has_none(case: Case) -> bool:
    """Tell whether the machine is known to be without accelerators."""
    machine = case.observation.machine
    found = machine.accelerators if isinstance(machine, Machine) else None
    return isinstance(found, Accelerators) and not found.devices
