"""layer-unproven: what a layer holds beside the wheels' files is vouched for by nothing."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.verify.case import Case

RULE = Rule(
    id="layer-unproven",
    family="LOCK",
    title="Every layer of an image of ours is vouched for by envlock.sum.",
    why="The wheels' files were compared one by one; system files and bytecode are known by their layers alone.",
    nature="unknown",
    impact="security",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield one finding in full mode for the layers that neither the image's own line nor their own vouch for."""
    image = case.image
    if image is None or not case.observation.full or not case.is_own_image:
        return
    if case.is_vouched:
        return
    unknown = [layer for layer in image.layers[:-1] if layer.digest not in case.sums.layers]
    if unknown:
        yield RULE.finding(
            f"{len(unknown)} of {len(image.layers)} layers",
            expected="lines of envlock.sum",
            found=", ".join(f"sha256:{layer.digest[:12]}" for layer in unknown[:4])
            + (" …" if len(unknown) > 4 else ""),
            fix=f"envlock build {case.lock.env}",
        )
