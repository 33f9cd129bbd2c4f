"""Asks the resolver once for each platform of an environment."""

from __future__ import annotations

from envlock.locking.select import Selected, select
from envlock.model.edges import Resolution
from envlock.model.lock import Lock
from envlock.model.manifest import Environment, Manifest
from envlock.model.platform import Platform
from envlock.operations.edges import Edges
from envlock.operations.upgrade import Upgrade


def resolve_all(
    manifest: Manifest,
    environment: Environment,
    kept: Lock | None,
    upgrade: Upgrade,
    cutoff: str | None,
    glibc: str,
    edges: Edges,
) -> dict[Platform, list[Selected]]:
    """Return the one file of each package, for each platform. Pins of `kept` stay where they can."""
    files = tuple(manifest.folder / name for name in environment.from_)
    resolutions = {}
    for platform in environment.targets:
        with edges.progress.task(f"Resolving for {platform}"):
            packages = edges.resolver.resolve(
                Resolution(
                    requirements=environment.requirements,
                    files=files,
                    groups=environment.groups,
                    folder=manifest.folder,
                    python=environment.python,
                    platform=platform,
                    glibc=glibc,
                    cutoff=cutoff,
                    previous=_as_preferences(kept),
                    upgrade_packages=upgrade.packages,
                )
            )
        resolutions[platform] = select(packages, python=environment.python, platform=platform, glibc=glibc)
    return resolutions


def _as_preferences(kept: Lock | None) -> bytes | None:
    """Return the old pins as the smallest pylock that uv takes as a starting point."""
    if kept is None:
        return None
    rows = "".join(
        f'\n[[packages]]\nname = "{package.name}"\nversion = "{package.version}"\n' for package in kept.packages
    )
    return f'lock-version = "1.0"\ncreated-by = "envlock"\n{rows}'.encode()
