"""waiver-expired: a waiver of the manifest is past its last day, and what it accepted is still there."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.terms import Waiver
from envlock.verify.case import Case

RULE = Rule(
    id="waiver-expired",
    family="LOCK",
    title="No finding rests on a waiver that has expired.",
    why="It was accepted until that day: mend it, or give another date and say again why.",
    source="`[[env.NAME.verify.waivers]]` of the manifest",
)


def check(case: Case) -> Iterator[Finding]:  # noqa: ARG001
    """Yield nothing: waivers are held against what all other rules find, in `verify.acceptance`."""
    yield from ()


def expired(waiver: Waiver, covered: int, env: str) -> Finding:
    """Return the finding about a waiver that would have covered some findings until its day."""
    return RULE.finding(
        f"{waiver.rule} {waiver.subject}",
        expected=f"mended, or waived beyond {waiver.until}",
        found=f"{covered} {'finding' if covered == 1 else 'findings'} that it no longer covers",
        fix=f"Mend what it covered, or change `until` of the waiver in [env.{env}.verify].",
    )
