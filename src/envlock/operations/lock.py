"""`envlock lock`: from the manifest to the bytes of a lock."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec

from envlock.errors import UsageError
from envlock.formats.pylock import wheels_of
from envlock.locking.as_of import newer_than_framework, settled, undated
from envlock.locking.facts import facts_of
from envlock.locking.frameworks import FRAMEWORKS
from envlock.locking.hardware import check_hardware
from envlock.locking.opening import Opening
from envlock.locking.select import Selected, assert_selects_back
from envlock.locking.sources import read_sources
from envlock.model.as_of import Cutoffs, Newer
from envlock.model.edges import Resolution
from envlock.model.lock import Base, ImageConfig, Lock, Package
from envlock.model.manifest import Environment, Manifest
from envlock.model.platform import Platform, image_platforms
from envlock.model.reference import is_reference
from envlock.operations.builds import Builds
from envlock.operations.cutoff import cutoffs_for
from envlock.operations.edges import Edges
from envlock.operations.fetch import DEFAULT_GLIBC
from envlock.operations.inputs import inputs_of, recipe_of
from envlock.operations.packages import packages_for
from envlock.operations.resolve import resolve_all
from envlock.operations.unsatisfiable import explained
from envlock.operations.upgrade import Upgrade


class Locked(msgspec.Struct, frozen=True, kw_only=True):
    """A lock, and what the user should know of it besides."""

    lock: Lock
    newer: tuple[Newer, ...] = ()
    """Dependencies uploaded over a year after the framework."""
    undated: tuple[str, ...] = ()
    """Packages whose index gives no upload time."""
    notes: tuple[str, ...] = ()
    """What became of the `run` steps of its image, one sentence each."""


def lock_environment(
    manifest: Manifest, name: str, *, previous: Lock | None, upgrade: Upgrade, edges: Edges, dry_run: bool = False
) -> Locked:
    """Return the lock of one environment. Pins of `previous` stay where they satisfy the manifest.

    With `dry_run` no `run` step is executed; the lock then lacks the layers of those that would be.
    """
    environment = manifest.environment(name)
    kept = None if upgrade.everything else previous
    inputs = inputs_of(manifest, environment)
    foundation = None
    if environment.image is not None:
        from envlock.operations.base import foundation_for

        image_platforms(environment.targets, f"[env.{name}]")
        foundation = foundation_for(
            manifest, environment, kept, inputs, edges, renew_base=upgrade.base, renew_os=upgrade.os
        )
    glibc = foundation.glibc if foundation else DEFAULT_GLIBC
    bases: dict[bool, Base | None] = {}

    def base_of(sdists: Sequence[str]) -> Base | None:
        build = bool(sdists)
        if foundation is None and not build:
            return None
        if build not in bases:
            from envlock.operations.base import base_for

            bases[build] = base_for(
                manifest, environment, foundation, kept, sdists, edges, renew=upgrade.os or upgrade.base
            )
        return bases[build]

    builds = Builds(
        base=base_of,
        allowed=foundation is not None and environment.build and not upgrade.no_build,
        previous=previous,
        folder=manifest.lock_path(name).parent,
        edges=edges,
        rebuild=upgrade.rebuild,
    )

    sources = read_sources(environment, manifest.folder)

    def resolving(ask: Callable[[Resolution], list[Selected]], cutoffs: Cutoffs) -> dict[Platform, list[Selected]]:
        return resolve_all(manifest, environment, sources, kept, upgrade, cutoffs, glibc, ask, edges.progress)

    resolve = partial(resolving, builds.resolve)
    cutoffs = cutoffs_for(environment, kept, inputs, upgrade, glibc, resolve, edges)
    try:
        resolutions = resolve(cutoffs)
    except UsageError as error:
        raise explained(error, environment, cutoffs, glibc, partial(resolving, builds.assume), edges) from None
    cutoffs = settled(cutoffs, resolutions, environment.package_cutoffs)
    base = base_of(sorted({row.package for rows in resolutions.values() for row in rows if row.kind == "sdist"}))
    opening = Opening(edges.downloads, edges.artifacts, edges.progress)
    with ThreadPoolExecutor(1) as side:
        facts = side.submit(facts_of, resolutions, previous=kept, opening=opening)
        packages = packages_for(
            environment,
            resolutions,
            previous,
            builds,
            opening,
            edges.indexes,
            inputs=inputs,
            asked=sources.requirements,
            fresh=upgrade.everything,
        )
    assert_selects_back(packages, resolutions, python=environment.python, glibc=glibc)
    lock = Lock(
        env=name,
        python=environment.python,
        platforms=environment.targets,
        packages=packages,
        frameworks=_frameworks(environment, packages),
        as_of=cutoffs.moment,
        as_of_packages=cutoffs.packages,
        policy=environment.policy,
        urls=environment.urls,
        inputs=inputs,
        settings=environment.settings,
        cuda=environment.cuda,
        hardware={one: manifest.hardware[one] for one in environment.hardware},
        facts=facts.result(),
        base=base,
    )
    check_hardware(lock)
    lock, notes = _with_steps(lock, environment, previous, upgrade, edges, dry_run=dry_run)
    return Locked(
        lock=_with_image(lock, environment),
        newer=newer_than_framework(resolutions, lock.frameworks),
        undated=undated(resolutions),
        notes=notes,
    )


def _frameworks(environment: Environment, packages: Sequence[Package]) -> tuple[str, ...]:
    from packaging.utils import canonicalize_name

    named = {str(canonicalize_name(name)) for name in environment.frameworks}
    return tuple(package.name for package in packages if package.name in named or package.name in FRAMEWORKS)


def _with_steps(
    lock: Lock, environment: Environment, previous: Lock | None, upgrade: Upgrade, edges: Edges, *, dry_run: bool
) -> tuple[Lock, tuple[str, ...]]:
    """Add what the `run` steps of the image change, and what there is to tell of them."""
    if lock.base is None or not (lock.base.run or (environment.image and environment.image.run)):
        return lock, ()
    from envlock.operations.steps import with_steps

    executed = with_steps(
        lock.base,
        environment,
        previous.base if previous is not None else None,
        edges,
        renew=upgrade.everything or upgrade.os or upgrade.base,
        rebuild=upgrade.rebuild,
        no_build=upgrade.no_build,
        dry_run=dry_run,
    )
    return msgspec.structs.replace(lock, base=executed.base), executed.told


def _with_image(lock: Lock, environment: Environment) -> Lock:
    if environment.image is None:
        return lock
    from envlock.image.plan import threshold_for

    # The layers of a base from a registry are not counted: planning raises the threshold where they leave less room,
    # and a lock is the same whether the registry was asked for it or not.
    beside = 4 + bool(lock.base and lock.base.run_layers) + bool(lock.base and lock.base.image and lock.base.packages)
    sizes = [[wheel.size for _, wheel in wheels_of(lock, platform)] for platform in image_platforms(lock.platforms)]
    image = ImageConfig(
        bytecode=environment.image.bytecode,
        threshold=max(threshold_for(row, beside) for row in sizes),
        entrypoint=environment.image.entrypoint,
        cmd=environment.image.cmd,
        env=dict(sorted(environment.image.env.items())),
        workdir=environment.image.workdir,
        user=environment.image.user,
    )
    return msgspec.structs.replace(lock, image=image)


def warnings_of(manifest: Manifest, name: str, now: datetime.datetime) -> list[str]:
    """Return what the user should know of a lock although it was made."""
    image = manifest.environment(name).image
    if image is None or is_reference(image.base):
        return []
    recipe = recipe_of(manifest, image.base)
    if now.date() <= recipe.end_of_life:
        return []
    return [f"the base {recipe.name} gets no security updates since {recipe.end_of_life}"]
