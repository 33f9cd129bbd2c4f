"""package-editable: a locked package is an editable install."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.verify.case import Case

RULE = Rule(
    id="package-editable",
    family="PKG",
    title="No locked package is an editable install.",
    why="Its code is whatever the working tree holds at the moment.",
    source="PEP 610, PEP 660",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each locked package that is imported from a working tree."""
    for name, found in case.installed.items():
        if name not in case.locked:
            continue
        for distribution in found:
            linked = distribution.folder.endswith(".egg-link")
            if linked or (distribution.direct_url is not None and distribution.direct_url.editable):
                influence = case.influence(name)
                yield RULE.finding(
                    name,
                    expected=case.locked[name][1].name,
                    found=f"editable, {distribution.direct_url.url if distribution.direct_url else '.egg-link'}",
                    fix=case.reinstall(),
                    package=name,
                    impact=influence.impact,
                    rank=influence.rank,
                )
                break
