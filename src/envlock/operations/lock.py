"""`envlock lock`: from the manifest to the bytes of a lock."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

import msgspec

from envlock.errors import UsageError
from envlock.formats.pylock import read_lock, wheels_of
from envlock.image.beside import beside
from envlock.image.plan import threshold_for
from envlock.locking.frameworks import FRAMEWORKS
from envlock.model.lock import ImageConfig, Lock, LockFile, Package
from envlock.model.manifest import Environment, Manifest
from envlock.operations.base import base_for, recipe_for
from envlock.operations.cutoff import cutoff_for
from envlock.operations.edges import Edges
from envlock.operations.fetch import DEFAULT_GLIBC
from envlock.operations.inputs import inputs_of, recipe_of
from envlock.operations.packages import packages_for
from envlock.operations.resolve import resolve_all
from envlock.operations.upgrade import Upgrade


def lock_environment(manifest: Manifest, name: str, *, previous: Lock | None, upgrade: Upgrade, edges: Edges) -> Lock:
    """Return the lock of one environment. Pins of `previous` stay where they satisfy the manifest."""
    environment = manifest.environment(name)
    recipe = recipe_for(manifest, environment)
    kept = None if upgrade.everything else previous
    glibc = recipe.glibc if recipe else DEFAULT_GLIBC
    inputs = inputs_of(manifest, environment)
    cutoff = cutoff_for(environment, kept, inputs, upgrade, glibc, edges)
    resolutions = resolve_all(manifest, environment, kept, upgrade, cutoff, glibc, edges)
    base = base_for(environment, recipe, kept, inputs, resolutions, edges)
    packages = packages_for(environment, resolutions, previous, base, cutoff, edges, fresh=upgrade.everything)
    lock = Lock(
        env=name,
        python=environment.python,
        platforms=environment.targets,
        packages=packages,
        frameworks=_frameworks(environment, packages),
        as_of=cutoff,
        policy=environment.policy,
        urls=environment.urls,
        inputs=inputs,
        settings=environment.settings,
        base=base,
    )
    return _with_image(lock, environment)


def previous_lock(path: Path) -> LockFile | None:
    """Return the lock that stands where the new one will, or None; what cannot be read is no starting point."""
    try:
        return read_lock(path)
    except UsageError as error:
        if error.reference in ("no-lock", "bad-lock", "foreign-lock"):
            return None
        raise


def _frameworks(environment: Environment, packages: Sequence[Package]) -> tuple[str, ...]:
    from packaging.utils import canonicalize_name

    named = {str(canonicalize_name(name)) for name in environment.frameworks}
    return tuple(package.name for package in packages if package.name in named or package.name in FRAMEWORKS)


def _with_image(lock: Lock, environment: Environment) -> Lock:
    if environment.image is None:
        return lock
    sizes = [[wheel.size for _, wheel in wheels_of(lock, platform)] for platform in lock.platforms]
    image = ImageConfig(
        bytecode=environment.image.bytecode,
        threshold=max(threshold_for(row) for row in sizes),
        entrypoint=environment.image.entrypoint,
    )
    return msgspec.structs.replace(lock, image=image)


def warnings_of(manifest: Manifest, name: str, now: datetime.datetime) -> list[str]:
    """Return what the user should know of a lock although it was made."""
    image = manifest.environment(name).image
    if image is None:
        return []
    recipe = recipe_of(manifest, image.base)
    if now.date() <= recipe.end_of_life:
        return []
    return [f"the base {recipe.name} gets no security updates since {recipe.end_of_life}"]


def write_beside(path: Path, raw: bytes) -> None:
    """Write a file whole or not at all, its folder made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside(path, lambda part: part.write_bytes(raw))
