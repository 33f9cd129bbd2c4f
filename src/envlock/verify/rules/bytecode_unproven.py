"""bytecode-unproven: .pyc files could not be compared with their sources."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.observation import Unknown
from envlock.verify.case import Case

RULE = Rule(
    id="bytecode-unproven",
    family="FILE",
    needs="bytes",
    title="Bytecode can be compared with its source, or a vouched-for layer holds it.",
    why="Python runs the .pyc and never looks at the source.",
    nature="unknown",
    impact="security",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield one finding with the reason."""
    environment = case.environment
    if environment is not None and isinstance(environment.bytecode, Unknown) and not case.is_vouched:
        count = sum(path.endswith(".pyc") for path in environment.files)
        yield RULE.finding(
            "bytecode",
            expected=f"{count} .pyc files that are what their sources compile to",
            found=environment.bytecode.reason,
            fix=environment.bytecode.hint or case.sync,
        )
