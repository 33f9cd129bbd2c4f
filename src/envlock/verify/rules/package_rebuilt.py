"""package-rebuilt: the locked version is installed, from another build than the locked wheel."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.verify.case import Case

RULE = Rule(
    id="package-rebuilt",
    family="FILE",
    needs="bytes",
    title="Packages are installed from the locked build of their version.",
    why="Another build (conda, a vendor's, compiled here) may have another compiler or BLAS: drift, not tampering.",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each package that is consistent in itself and not the locked wheel."""
    for name, proof in case.proofs.items():
        if proof.state != "rebuilt":
            continue
        influence = case.influence(name)
        count = f", {len(proof.blemishes)} files differ" if proof.blemishes else ""
        yield RULE.finding(
            name,
            expected=proof.wheel.name,
            found=f"{proof.distribution.version}, {proof.reason}{count}",
            fix=case.reinstall(),
            package=name,
            impact=influence.impact,
            rank=influence.rank,
        )
