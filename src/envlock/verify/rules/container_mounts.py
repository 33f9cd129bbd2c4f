"""container-mounts: something of outside stands where a container's programs load code from."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.verify.case import Case
from envlock.verify.container_paths import covers

RULE = Rule(
    id="container-mounts",
    family="FILE",
    needs="container",
    title="Nothing is mounted over the files that programs of a container load code from.",
    why="An Engine shows the container's own files, not what stands in their place: it was not looked at.",
    nature="unknown",
    impact="security",
    source="Engine API, ContainerExport: mounted volumes are not part of it",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each mount that hides or replaces such files."""
    container = case.observation.container
    for place in container.mounts if container is not None else ():
        if covers(case, place):
            yield RULE.finding(
                place,
                expected="the image's files",
                found="a mount",
                fix=f"start it without the mount: {case.sync}",
                path=place,
            )
