"""package-version: a locked package is installed at another version."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.utils import canonicalize_version

from envlock.model.finding import Finding, Rule
from envlock.verify.case import Case
from envlock.verify.known import facts_between

RULE = Rule(
    id="package-version",
    family="PKG",
    title="Every package is installed at its locked version, once.",
    why="Another release is other code.",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each locked package of which another version, or several, are installed."""
    if not case.sees_packages:
        return
    for name, (package, _) in case.locked.items():
        found = case.installed.get(name, [])
        versions = [distribution.version or "unknown" for distribution in found]
        same = all(canonicalize_version(version) == canonicalize_version(package.version) for version in versions)
        if not found or (same and len(found) == 1):
            continue
        influence = case.influence(name)
        facts = [] if same else facts_between(name, package.version, versions[0])
        yield RULE.finding(
            name,
            expected=package.version,
            found=versions[0] if len(found) == 1 else f"installed {len(found)} times: {', '.join(versions)}",
            fix=case.sync,
            why=" ".join([*(fact.text for fact in facts)]) or influence.why,
            package=name,
            impact=influence.impact,
            severity="warning" if case.lock.policy == "compatible" and influence.impact != "results" else "error",
            rank=influence.rank,
        )
