"""image-layers: the image's list of layers is not the one that follows from its lock."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.verify.case import Case

RULE = Rule(
    id="image-layers",
    family="LOCK",
    title="An image that holds a lock has the layers that follow from it, and no other ones.",
    why="A layer more, or another one, may hold anything under the name of the lock.",
    nature="integrity",
    impact="security",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for the number of layers, and one for each that envlock.sum knows by another digest."""
    if case.image is None or not case.is_own_image or not case.sums.plan:
        return
    fix = f"envlock build {case.lock.env}"
    plan, layers = case.sums.plan, case.image.environment_layers
    if len(plan) != len(layers):
        yield RULE.finding("layers", expected=f"{len(plan)} layers", found=f"{len(layers)} layers", fix=fix)
        return
    for planned, layer in zip(plan, layers, strict=True):
        if planned.digest and planned.digest != layer.digest:
            yield RULE.finding(
                f"layer of {planned.title}",
                expected=f"sha256:{planned.digest}",
                found=f"sha256:{layer.digest}",
                fix=fix,
            )
