"""lock-stale: the lock no longer follows from its inputs."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.verify.case import Case

RULE = Rule(
    id="lock-stale",
    family="LOCK",
    title="The lock follows from its inputs as they are now: manifest, the files of `from`, the base's recipe.",
    why="What is installed is held against an answer to yesterday's question.",
    source="`envlock lock --check`, offline",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each input that changed since the lock was made."""
    for change in case.terms.stale:
        name, colon, what = change.partition(": ")
        yield RULE.finding(
            name if colon else "lock",
            expected="as it was locked",
            found=what if colon else change,
            fix=f"envlock lock {case.lock.env}",
        )
