"""image-label: what the image says of its lock is not the lock it holds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.verify.case import Case

LABEL = "dev.envlock.lock.digest"
RULE = Rule(
    id="image-label",
    family="LOCK",
    needs="image",
    title="The label that names an image's lock is the digest of the lock in it.",
    why="Tools that read only the label would take it for another image.",
    nature="integrity",
    impact="security",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding where label and lock layer contradict each other."""
    if case.image is None or not isinstance(case.image.lock, bytes):
        return
    found = case.image.labels.get(LABEL, "").removeprefix("sha256:")
    held = hashlib.sha256(case.image.lock).hexdigest()
    if found != held:
        yield RULE.finding(
            f"label {LABEL}",
            expected=f"sha256:{held}",
            found=f"sha256:{found}" if found else "no label",
            fix=f"envlock build {case.lock.env}",
        )
