"""image-project: an image holds project files above its environment."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.observation import Unknown
from envlock.verify.case import Case

RULE = Rule(
    id="image-project",
    family="LOCK",
    needs="image",
    title="Project files above an environment are the tree that the image's label names, in the working folder alone.",
    why="They are not of the lock: they may replace anything that is, or be others than the image says.",
    nature="integrity",
    impact="security",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield what a project layer holds, for information, and a finding for all that such a layer does not hold."""
    project = case.image.project if case.image else None
    if project is None:
        return
    fix = f"envlock build {case.lock.env}"
    files = f"{project.files} file{'s' if project.files != 1 else ''}"
    if isinstance(project.tree, Unknown):
        yield RULE.finding(
            "project files",
            expected=f"tree sha256:{project.source}",
            found=project.tree.reason,
            fix=case.verify("--full"),
            nature="unknown",
        )
        return
    for stray in project.strays:
        yield RULE.finding("project files", expected=f"files in {project.destination}", found=stray, fix=fix)
    if project.tree != project.source:
        yield RULE.finding(
            "project files",
            expected=f"tree sha256:{project.source}",
            found=f"{files}, tree sha256:{project.tree}",
            fix=fix,
        )
    elif not project.strays:
        yield RULE.finding(
            "project files",
            expected="none in the environment image",
            found=f"{files} in {project.destination}, tree sha256:{project.source}",
            why="They are not of the lock: what they are is for git to say.",
            nature="drift",
            severity="info",
            impact="cosmetic",
        )
