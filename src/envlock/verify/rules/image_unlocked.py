"""image-unlocked: the image says nothing about a lock that could be compared."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.observation import Unknown
from envlock.verify.case import Case

RULE = Rule(
    id="image-unlocked",
    family="LOCK",
    needs="image",
    title="The image holds its lock in its last layer, or in the one below its project files: all that --quick reads.",
    why="Without it only the files themselves can tell what is installed.",
    nature="unknown",
    impact="results",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for an image without a lock in quick mode, and for a lock layer that could not be read."""
    if case.image is None:
        return
    if isinstance(case.image.lock, Unknown) or (case.image.lock is None and not case.observation.full):
        reason = (
            case.image.lock.reason if isinstance(case.image.lock, Unknown) else "its last layer is no lock of envlock"
        )
        yield RULE.finding(
            "lock", expected=f"the lock of {case.lock.env}", found=reason, fix=case.verify("--full"), rank=0
        )
