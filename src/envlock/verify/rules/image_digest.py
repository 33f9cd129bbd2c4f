"""image-digest: the image of this lock is not the one that envlock.sum vouches for."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.verify.case import Case

RULE = Rule(
    id="image-digest",
    family="LOCK",
    needs="image",
    title="The image of a lock has the digest that envlock.sum gives it, project files above it apart.",
    why="The same lock gives the same digest on any machine: this image was made or changed by something else.",
    nature="integrity",
    impact="security",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding where the digest of an image that holds our lock contradicts envlock.sum."""
    if case.image is None or not case.is_own_image:
        return
    expected = case.vouched_identity
    if expected and not case.is_vouched_image:
        above = ", or it without its project files" if case.image.project else ""
        yield RULE.finding(
            "image",
            expected=expected,
            found=f"{case.image.identity}{above}",
            fix=f"envlock build {case.lock.env}",
        )
