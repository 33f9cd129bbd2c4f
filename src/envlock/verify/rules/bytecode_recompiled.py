"""bytecode-recompiled: the bytecode of an image was made again by its own interpreter, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from envlock.model.finding import Finding, Rule
from envlock.verify.case import Case

RULE = Rule(
    id="bytecode-recompiled",
    family="FILE",
    needs="image",
    title="With --recompile, every .pyc of an image has the bytes that its own interpreter makes of its source.",
    why="The sources were proven by the lock, so that nothing else vouches for the bytecode that runs.",
    severity="info",
    impact="cosmetic",
    source="PEP 552, unchecked-hash .pyc files",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield how many were the same, for information; bytecode-altered tells the ones that were not."""
    environment = case.environment
    if case.image is None or environment is None or not isinstance(environment.bytecode, Mapping):
        return
    same = sum(verdict == "same" for verdict in environment.bytecode.values())
    yield RULE.finding(
        "bytecode",
        expected="what the image's interpreter makes of its sources",
        found=f"{same} of {len(environment.bytecode)} .pyc files, byte for byte",
    )
