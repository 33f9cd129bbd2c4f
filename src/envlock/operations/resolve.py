"""Asks the resolver once for each platform of an environment."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence

from envlock.errors import UsageError
from envlock.locking.allowed_hashes import check_hashes
from envlock.locking.select import Selected
from envlock.locking.sources import Sources
from envlock.model.as_of import Cutoffs
from envlock.model.edges import Progress, Resolution
from envlock.model.lock import Lock
from envlock.model.manifest import Environment, Manifest
from envlock.model.platform import Platform
from envlock.operations.upgrade import Upgrade


def resolve_all(
    manifest: Manifest,
    environment: Environment,
    sources: Sources,
    kept: Lock | None,
    upgrade: Upgrade,
    cutoffs: Cutoffs,
    glibc: str,
    resolve: Callable[[Resolution], list[Selected]],
    progress: Progress,
) -> dict[Platform, list[Selected]]:
    """Return the one file of each package, for each platform. Pins of `kept` stay where they can.

    `resolve` answers for one platform, see `operations.builds`. Raises UsageError as it does, and `not-locked` for a
    package to upgrade that is nowhere; IntegrityError (`hash-not-allowed`) for a file that the sources rule out.
    """
    resolutions = {}
    for platform in environment.targets:
        wanted = Resolution(
            requirements=tuple(sorted({*environment.requirements, *sources.requirements})),
            files=sources.files,
            groups=sources.groups,
            extras=sources.extras,
            constraints=(*environment.constraints, *sources.constraints),
            overrides=(*environment.overrides, *sources.overrides),
            folder=manifest.folder,
            python=environment.python,
            platform=platform,
            glibc=glibc,
            cutoff=cutoffs.moment,
            package_cutoffs=cutoffs.packages,
            previous=_as_preferences(kept),
            upgrade_packages=upgrade.packages,
        )
        with progress.task(f"Resolving for {platform}"):
            resolutions[platform] = resolve(wanted)
    _check_upgrade(upgrade, kept, resolutions)
    check_hashes(resolutions, sources.hashes)
    return resolutions


def _check_upgrade(upgrade: Upgrade, kept: Lock | None, resolutions: Mapping[Platform, Sequence[Selected]]) -> None:
    """Refuse to upgrade what neither the old lock nor the new one has: a misspelt name must not pass unseen."""
    known = {row.package for rows in resolutions.values() for row in rows}
    known |= {package.name for package in (kept.packages if kept else ())}
    for name in sorted(upgrade.names - known):
        near = difflib.get_close_matches(name, sorted(known), 1)
        raise UsageError(
            "not-locked",
            f"{name} is to be upgraded, and this environment does not have it.",
            expected="a locked package",
            found=name,
            hint=f"Did you mean {near[0]!r}?" if near else "Add it to the manifest first.",
        )


def _as_preferences(kept: Lock | None) -> bytes | None:
    """Return the old pins as the smallest pylock that uv takes as a starting point."""
    if kept is None:
        return None
    rows = "".join(
        f'\n[[packages]]\nname = "{package.name}"\nversion = "{package.version}"\n' for package in kept.packages
    )
    return f'lock-version = "1.0"\ncreated-by = "envlock"\n{rows}'.encode()
