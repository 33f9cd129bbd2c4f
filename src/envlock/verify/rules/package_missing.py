"""package-missing: a locked package is not installed."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.verify.case import Case

RULE = Rule(
    id="package-missing",
    family="PKG",
    title="Every package of the lock is installed.",
    why="Code that imports it fails, or silently takes another path.",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each locked package that the environment lacks."""
    if not case.sees_packages:
        return
    for name, (package, _) in case.locked.items():
        if name not in case.installed:
            influence = case.influence(name)
            yield RULE.finding(
                name,
                expected=package.version,
                found="not installed",
                fix=case.sync,
                package=name,
                impact=influence.impact,
                rank=influence.rank,
            )
