"""bytecode-altered: a .pyc would run other code than its source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from envlock.formats.pyc import source_of
from envlock.model.finding import Finding, Rule
from envlock.model.observation import Distribution
from envlock.verify.case import Case

RULE = Rule(
    id="bytecode-altered",
    family="FILE",
    needs="bytes",
    title="Every .pyc that the interpreter would load is what its source compiles to.",
    why="Python runs the .pyc and never looks at the source; RECORD gives most of them no hash.",
    nature="integrity",
    impact="security",
    source="PEP 3147, PEP 552; measured: a tampered .pyc ran while RECORD was clean",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each cached module that differs from its source, compiled by the target's interpreter."""
    environment = case.environment
    if environment is None or not isinstance(environment.bytecode, Mapping):
        return
    for path, verdict in sorted(environment.bytecode.items()):
        if verdict != "differs":
            continue
        owner: Distribution | None = case.owners.get(source_of(path))
        locked = case.is_own_image or (owner is not None and owner.name in case.locked)
        name = owner.name if owner is not None else ""
        yield RULE.finding(
            f"{name}: {case.shown(path)}" if name else case.shown(path),
            expected="what its source compiles to",
            found="other code",
            fix=case.remove(path),
            package=name,
            path=case.shown(path),
            nature="integrity" if locked else "drift",
            impact="results" if locked and name and case.influence(name).impact == "results" else "security",
            rank=case.influence(name).rank if name else 100,
        )
