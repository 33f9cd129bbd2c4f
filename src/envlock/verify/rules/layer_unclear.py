"""layer-unclear: a layer writes files in a way that Engines take differently."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.verify.case import Case

RULE = Rule(
    id="layer-unclear",
    family="LOCK",
    needs="image",
    title="No layer has files of the environment behind a symbolic link of a lower layer.",
    why="overlay2 unpacks each layer alone, so that the link becomes a folder there; other Engines follow it: what a "
    "container sees depends on who runs it.",
    nature="unknown",
    impact="security",
    source="OCI image-spec 1.1, layer.md, says nothing of it; containerd#3017",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield one finding that names the first such file."""
    unclear = case.image.unclear if case.image is not None else ()
    if unclear:
        more = f", and {len(unclear) - 1} more" if len(unclear) > 1 else ""
        yield RULE.finding(
            unclear[0],
            expected="files where their own layer's folders are",
            found=f"behind a link of a lower layer{more}",
            fix="build the image again, without the links",
            path=unclear[0],
        )
