"""as-of: the moment after which releases do not exist for a lock."""

from __future__ import annotations

from collections.abc import Mapping

from envlock.locking.select import Selected, release_cutoff, select
from envlock.model.edges import Resolution
from envlock.model.lock import Lock
from envlock.model.manifest import Environment
from envlock.operations.edges import Edges
from envlock.operations.upgrade import Upgrade


def cutoff_for(
    environment: Environment, kept: Lock | None, inputs: Mapping[str, str], upgrade: Upgrade, glibc: str, edges: Edges
) -> str | None:
    """Return the cutoff of an environment as RFC 3339, or None; a kept lock's stays while what decides it stays."""
    asked = upgrade.cutoff or environment.cutoff
    if asked == "none":
        return None
    if asked != "release":
        return asked
    decisive = ("as-of", "frameworks", "requirements", "python", "platforms")
    if kept is not None and all(kept.inputs.get(key) == inputs.get(key) for key in decisive):
        return kept.as_of
    wanted = tuple(sorted(project + spec for project, spec in environment.frameworks.items()))
    with edges.progress.task("Finding the release date of " + ", ".join(wanted)):
        rows: list[Selected] = []
        for platform in environment.targets:
            resolution = Resolution(
                requirements=wanted,
                python=environment.python,
                platform=platform,
                glibc=glibc,
                cutoff=None,
                no_deps=True,
            )
            packages = edges.resolver.resolve(resolution) if wanted else []
            rows += select(packages, python=environment.python, platform=platform, glibc=glibc)
    return release_cutoff(rows)
