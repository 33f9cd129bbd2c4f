"""image-unrecorded: nothing vouches for the digest of an image that holds the right lock."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.verify.case import Case

RULE = Rule(
    id="image-unrecorded",
    family="LOCK",
    needs="image",
    title="envlock.sum has a line for the image, so that its digest alone proves it.",
    why="Anybody can put a lock into an image; only the digest of a build shows that the rest follows from it.",
    nature="unknown",
    impact="security",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding in quick mode where envlock.sum says nothing about this lock and platform."""
    if case.image is None or not case.is_own_image or case.observation.full:
        return
    if not case.vouched_identity:
        yield RULE.finding(
            "image",
            expected=f"a line of envlock.sum for {case.platform} of this lock",
            found=f"none that tells it; the image is {case.image.identity}",
            fix=f"envlock build {case.lock.env}   (or read every layer: {case.verify('--full')})",
        )
