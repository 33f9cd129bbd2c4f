"""image-lock: the image was built from another lock."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.observation import Unknown
from envlock.verify.case import Case
from envlock.verify.rules.image_label import LABEL

RULE = Rule(
    id="image-lock",
    family="LOCK",
    needs="image",
    title="An image of envlock holds the very lock it is verified against.",
    why="The image is a pure function of its lock: another lock is another image, whatever else agrees.",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding where the image's lock is not ours: by its bytes, or where they are unseen by its own word."""
    if case.image is None:
        return
    label = case.image.labels.get(LABEL, "").removeprefix("sha256:")
    if isinstance(case.image.lock, Unknown) and label and label != case.lock_file.digest:
        yield RULE.finding(
            "lock",
            expected=f"sha256 {case.lock_file.digest}",
            found=f"sha256 {label}, by the image's label",
            fix=f"envlock build {case.lock.env}",
        )
    elif isinstance(case.image.lock, bytes) and not case.is_own_image:
        other = case.image_lock
        name = f" of {other.env}" if other is not None else ", which cannot be read"
        yield RULE.finding(
            "lock",
            expected=f"sha256 {case.lock_file.digest}",
            found=f"sha256 {hashlib.sha256(case.image.lock).hexdigest()}, the lock{name}",
            fix=f"envlock build {case.lock.env}",
        )
