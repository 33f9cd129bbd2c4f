"""package-unproven: there is not enough to prove a package's files by."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.verify.case import Case

RULE = Rule(
    id="package-unproven",
    family="FILE",
    needs="bytes",
    title="Every locked package can be proven file by file.",
    why="What cannot be proven may be anything.",
    nature="unknown",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each package of the right version whose files could not be judged."""
    environment = case.environment
    if environment is None or not environment.hashed:
        return
    for name, distribution in case.matching.items():
        proof = case.proofs.get(name)
        reason = proof.reason if proof is not None and proof.state == "unproven" else ""
        if proof is None and distribution.folder.endswith(".egg-info"):
            reason = "it was installed as .egg-info, which keeps no hashes"
        if reason:
            influence = case.influence(name)
            yield RULE.finding(
                name,
                expected=case.locked[name][1].name,
                found=reason,
                fix=case.reinstall(),
                package=name,
                impact=influence.impact,
                rank=influence.rank,
            )
