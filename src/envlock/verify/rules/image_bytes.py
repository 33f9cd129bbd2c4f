"""image-bytes: blobs of the image are not what their digests say, or are not there."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.verify.case import Case

RULE = Rule(
    id="image-bytes",
    family="LOCK",
    needs="image",
    title="Every blob of the image is there and has its digest; layers unpack to their diff IDs.",
    why="The digest names bytes that these are not: the store is damaged or was tampered with.",
    nature="integrity",
    impact="security",
    source="OCI image-spec 1.1, descriptor.md",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each contradiction of digests, and one of unknown nature for each blob that is missing."""
    if case.image is None:
        return
    fix = f"envlock build {case.lock.env}" if case.is_own_image else "pull or build the image again"
    for contradiction in case.image.contradictions:
        yield RULE.finding("image", expected="documents that agree", found=contradiction, fix=fix)
    for layer in case.image.layers:
        if layer.problem:
            yield RULE.finding(
                f"layer sha256:{layer.digest or layer.diff_id}",
                expected=f"{layer.size} bytes of that digest" if layer.digest else "an archive of that diff ID",
                found=layer.problem,
                fix=fix,
                nature="unknown" if layer.missing else "integrity",
            )
