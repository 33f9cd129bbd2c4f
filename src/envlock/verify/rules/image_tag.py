"""image-tag: a tag names another image than the one that it belongs to, or was asked for together with."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.verify.case import Case

RULE = Rule(
    id="image-tag",
    family="LOCK",
    needs="image",
    title="The tag of a lock names an image of that lock, and a tag beside a digest names that digest.",
    why="Somebody moved the tag: whoever pulls it gets another image than the one that it stands for.",
    nature="integrity",
    impact="security",
    source="docs/images.md: `push` gives the tag lock-<digest>, and never moves it",
)
_OF_LOCK = re.compile(r"lock-(?P<lock>[0-9a-f]{32}|[0-9a-f]{16}(?=-src-))(-src-(?P<source>[0-9a-f]{16}))?")


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding where the tag of a lock names an image of another lock, and one where a tag left its digest."""
    image = case.image
    if image is None or not image.tag:
        return
    fix = f"find out who moved it; then: envlock push {case.lock.env}"
    named = _OF_LOCK.fullmatch(image.tag)
    if named is not None and isinstance(image.lock, bytes):
        lock = hashlib.sha256(image.lock).hexdigest()
        source = image.project.source if image.project else ""
        if not (lock.startswith(named["lock"]) and source.startswith(named["source"] or "") and
                bool(source) == bool(named["source"])):  # fmt: skip
            above = f" and of project files {source[:16]}" if source else ""
            yield RULE.finding(
                f"tag {image.tag}",
                expected="the image of that lock",
                found=f"an image of lock {lock[: len(named['lock'])]}{above}",
                fix=fix,
            )
    if image.moved:
        yield RULE.finding(
            f"tag {image.tag}",
            expected="the digest that it was asked for with",
            found="no image" if image.moved == "nothing" else f"sha256:{image.moved}",
            fix=f"envlock which {image.reference.partition('@')[0]}   (what the tag names now)",
            nature="drift",
        )
