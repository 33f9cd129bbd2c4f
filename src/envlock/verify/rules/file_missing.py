"""file-missing: a file of a locked package is not there."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.verify.case import Case

RULE = Rule(
    id="file-missing",
    family="FILE",
    title="Every file that a locked package brings is there.",
    why="A module or data file that is gone fails late, or lets another one of its name be found.",
)
_SHOWN = 10


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each missing file, by the locked wheel where files were hashed, else by RECORD."""
    environment = case.environment
    if environment is None or not environment.walked:
        return
    for name, distribution in case.matching.items():
        claim, proof = case.claims[distribution.folder], case.proofs.get(name)
        missing = {blemish.path for blemish in proof.blemishes if blemish.kind == "missing"} if proof else set()
        if proof is None:
            missing |= {path for path in claim.payload() if path not in environment.files}
        missing |= {path for path in claim.launchers if path in claim.rows and path not in environment.files}
        influence = case.influence(name)
        for at, path in enumerate(sorted(missing)):
            more = len(missing) - at - 1 if at == _SHOWN - 1 else 0
            yield RULE.finding(
                f"{name}: {case.shown(path)}",
                expected="there",
                found="missing" + (f"; and {more} more files" if more else ""),
                fix=case.reinstall(),
                package=name,
                path=case.shown(path),
                impact=influence.impact,
                rank=influence.rank,
            )
            if more:
                break
