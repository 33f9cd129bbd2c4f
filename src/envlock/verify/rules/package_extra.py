"""package-extra: a package is installed that the lock does not name."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.verify.case import UNLOCKED_TOOLS, Case

RULE = Rule(
    id="package-extra",
    family="PKG",
    title="Nothing is installed beside the lock, the tools of the environment and the project itself apart.",
    why="Nobody else has it, and plug-ins are found by being installed.",
    severity="warning",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a warning for each extra; pip, setuptools, ipykernel and the user's own editable project are none."""
    if not case.sees_packages:
        return
    for name, found in case.installed.items():
        if name in case.locked or name in UNLOCKED_TOOLS:
            continue
        first = found[0]
        if first.direct_url is not None and first.direct_url.editable:
            continue
        if first.folder.endswith(".egg-link") or _is_of_the_system(first.folder):
            continue
        influence = case.influence(name)
        yield RULE.finding(
            name,
            expected="not installed",
            found=first.version or "unknown version",
            fix=f"{case.sync}   (or add {name} to the manifest and lock it)" if case.image is None else case.sync,
            package=name,
            impact=influence.impact,
            rank=influence.rank,
        )


def _is_of_the_system(folder: str) -> bool:
    """Tell whether a package belongs to the distribution's Python, which the base decides and not the lock's wheels."""
    return posixpath.basename(posixpath.dirname(folder)) == "dist-packages" and not folder.startswith("/usr/local/")
