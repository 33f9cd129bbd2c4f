"""image-layers: the image's list of layers is not the one that follows from its lock."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.verify.case import Case

RULE = Rule(
    id="image-layers",
    family="LOCK",
    needs="image",
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
        expected, found = (
            (planned.digest, layer.digest) if layer.digest else (planned.diff_id, layer.diff_id)
        )  # an Engine keeps layers unpacked
        if expected and expected != found:
            yield RULE.finding(
                f"layer of {planned.title}",
                expected=f"sha256:{expected}",
                found=f"sha256:{found}",
                fix=fix,
            )
