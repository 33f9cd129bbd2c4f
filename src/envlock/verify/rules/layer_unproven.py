"""layer-unproven: what an image holds beside the wheels' files is vouched for by nothing."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.verify.case import Case

RULE = Rule(
    id="layer-unproven",
    family="LOCK",
    needs="image",
    title="envlock.sum vouches for the whole image.",
    why="The wheels' files were compared one by one; system files, interpreter, bytecode and configuration were not.",
    nature="unknown",
    impact="security",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding in full mode for an image, ours or anybody's, whose digest envlock.sum does not hold."""
    image = case.image
    if image is None or not case.observation.full or case.is_vouched_image:
        return
    layers = image.environment_layers
    unknown = sum(not case.sums.vouches_for(layer) for layer in layers)
    yield RULE.finding(
        "image",
        expected=f"a line of envlock.sum for {case.platform} of this lock",
        found=f"none for {image.identity[:22]}; {unknown} of {len(layers)} layers are unknown too",
        fix=f"envlock build {case.lock.env}",
    )
