"""waiver-unused: a waiver of the manifest covers nothing."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.terms import Waiver
from envlock.verify.case import Case

RULE = Rule(
    id="waiver-unused",
    family="LOCK",
    title="Every waiver of the manifest covers something that can be waived.",
    why="What it accepted is mended, was not looked at here, or may not be waived.",
    severity="info",
    impact="cosmetic",
    source="`[[env.NAME.verify.waivers]]` of the manifest",
)


def check(case: Case) -> Iterator[Finding]:  # noqa: ARG001
    """Yield nothing: waivers are held against what all other rules find, in `verify.acceptance`."""
    yield from ()


def unused(waiver: Waiver, refused: int) -> Finding:
    """Return the finding about a waiver; `refused` findings are its, but may not be waived."""
    return RULE.finding(
        f"{waiver.rule} {waiver.subject}",
        expected="a finding that it covers",
        found="none that may be waived: bytes contradict the lock, or nothing was seen" if refused else "none here",
        fix="" if refused else "Take it out where it is of no more use.",
    )
