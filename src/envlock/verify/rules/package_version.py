"""package-version: a locked package is installed at another version."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.utils import canonicalize_version

from envlock.model.fact import told
from envlock.model.finding import Finding, Rule
from envlock.verify.case import Case
from envlock.verify.known import facts_of

RULE = Rule(
    id="package-version",
    family="PKG",
    title="Every package is installed at its locked version, once.",
    why="Another release is other code.",
)

_TOLD = 2
"""Known changes that the reason names; the finding has all."""


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each locked package of which another version, or several, are installed."""
    if not case.sees_packages:
        return
    versions = {
        name: [distribution.version or "unknown" for distribution in case.installed.get(name, [])]
        for name in case.locked
    }
    known = facts_of({name: (case.locked[name][0].version, found[0]) for name, found in versions.items() if found})
    for name, (package, _) in case.locked.items():
        found = versions[name]
        same = all(canonicalize_version(version) == canonicalize_version(package.version) for version in found)
        if not found or (same and len(found) == 1):
            continue
        influence = case.influence(name)
        facts = known.get(name, ())
        yield RULE.finding(
            name,
            expected=package.version,
            found=found[0] if len(found) == 1 else f"installed {len(found)} times: {', '.join(found)}",
            fix=case.sync,
            why=told(facts, package.version, found[0], _TOLD) or influence.why,
            facts=facts,
            package=name,
            impact=influence.impact,
            severity="warning" if case.lock.policy == "compatible" and influence.impact != "results" else "error",
            rank=influence.rank,
        )
