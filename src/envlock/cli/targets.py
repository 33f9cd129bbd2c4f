"""What judges each kind of target of `verify`, wired to this machine."""

from __future__ import annotations

import functools
import os
import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from envlock.cli.wiring import active_environment, edges_of, relative, whole
from envlock.errors import UsageError

if TYPE_CHECKING:
    from envlock.model.edges import ContainerEngine
    from envlock.model.finding import Verdict
    from envlock.model.lock import Lock, LockFile
    from envlock.model.manifest import Manifest
    from envlock.model.terms import Terms
    from envlock.operations.numerics import Numbers
    from envlock.operations.reports import Trust
    from envlock.operations.verify import Witnesses
    from envlock.operations.verify_image import Compilers


def of_environment(
    ctx: click.Context,
    manifest: Manifest,
    lock_file: LockFile,
    target: Path,
    terms: Terms,
    settled: Callable[[Terms], Terms],
    *,
    rehash: bool,
    numbers: Numbers | None = None,
) -> Callable[[], Verdict]:
    """Return what judges a venv or an interpreter, as often as it is asked."""
    from envlock.adapters.cache import Cache
    from envlock.adapters.interpreter import TargetPython
    from envlock.adapters.machine import observe_machine
    from envlock.adapters.memory import CacheMemory
    from envlock.model.factors import marker_of, variables_here
    from envlock.operations.verify import verify_environment

    env = lock_file.lock.env
    shown = relative(target.absolute())
    variables = variables_here(
        os.environ,
        folder=str(manifest.folder),
        locked=lock_file.lock.settings.variables,
        marker=marker_of(env, lock_file.digest),
    )
    witnesses = witnesses_of(
        ctx,
        manifest,
        env,
        interpreter=TargetPython(),
        machine=observe_machine,
        variables=variables,
        memory=None if rehash else CacheMemory(Cache().root),
        numbers=numbers,
    )
    return lambda: verify_environment(
        lock_file,
        target,
        folder=manifest.lock_path(env).parent,
        witnesses=witnesses,
        terms=terms,
        meanwhile=settled,
        name=shown,
        subject=f"{env} --python {shlex.quote(shown)}",
        venv=_elsewhere(target, manifest.venv_path(env)),
    )


def of_image(
    ctx: click.Context,
    manifest: Manifest,
    lock_file: LockFile,
    image: str,
    terms: Terms,
    *,
    recompile: bool,
    numbers: Numbers | None = None,
) -> Verdict:
    """Judge an image; `recompile` takes the interpreters of its lock."""
    from envlock.adapters.cache import Cache
    from envlock.adapters.registry import OciRegistry
    from envlock.adapters.registry_session import Session
    from envlock.operations.expected_image import base_at_hand
    from envlock.operations.verify_image import verify_image

    return verify_image(
        lock_file,
        whole(image),
        sums=manifest.sums_path,
        witnesses=witnesses_of(ctx, manifest, lock_file.lock.env, numbers=numbers),
        terms=terms,
        bases=lambda platform: base_at_hand(lock_file.lock, platform, Cache()),
        compilers=_compilers(ctx, manifest, lock_file.lock) if recompile else None,
        registry=functools.cache(lambda: OciRegistry(Session(offline=ctx.obj["offline"]))),
        engines=_engines,
    )


def of_container(
    ctx: click.Context,
    manifest: Manifest,
    lock_file: LockFile,
    container: str,
    terms: Terms,
    *,
    numbers: Numbers | None = None,
) -> Verdict:
    """Judge a container of the Engine here."""
    from envlock.adapters.cache import Cache
    from envlock.operations.expected_image import base_at_hand
    from envlock.operations.verify_container import verify_container

    return verify_container(
        lock_file,
        container,
        sums=manifest.sums_path,
        witnesses=witnesses_of(ctx, manifest, lock_file.lock.env, numbers=numbers),
        terms=terms,
        bases=lambda platform: base_at_hand(lock_file.lock, platform, Cache()),
        engines=_engines,
    )


def of_report(
    ctx: click.Context, manifest: Manifest, lock_file: LockFile, report: Path, terms: Terms, trust: Trust
) -> Verdict:
    """Judge what somebody else reports, once its signature is found to be right."""
    from envlock.adapters.git_sources import checkout_of
    from envlock.operations.reports import open_reports
    from envlock.operations.verify_report import verify_report

    (opened,) = open_reports([report], trust)
    return verify_report(
        lock_file,
        opened,
        witnesses=witnesses_of(ctx, manifest, lock_file.lock.env),
        terms=terms,
        checkout=checkout_of(manifest.folder),
    )


def _engines() -> AbstractContextManager[ContainerEngine]:
    from envlock.adapters.engine_targets import EngineTargets

    return EngineTargets()


def witnesses_of(ctx: click.Context, manifest: Manifest, env: str, **more: object) -> Witnesses:
    """Return whom a verification of an environment asks; `more` are fields of `Witnesses`."""
    from envlock.adapters.cache import Cache
    from envlock.cli.progress import progress_for
    from envlock.operations.records import records_at_hand
    from envlock.operations.verify import Witnesses

    records = records_at_hand(manifest.lock_path(env).parent, Cache())
    return Witnesses(records=records, progress=progress_for(quiet=ctx.obj["quiet"]), **more)  # type: ignore[arg-type]


def _compilers(ctx: click.Context, manifest: Manifest, lock: Lock) -> Compilers:
    """Return what opens the interpreters of the lock's image: the root that they run in is made where need be."""
    from envlock.operations.compilers import open_compiler

    edges = edges_of(ctx, manifest)
    return lambda platform: open_compiler(lock, platform, edges)


def _elsewhere(target: Path, venv: Path) -> str:
    """Return the virtual environment that a target is or is the python of, unless it is the environment's own one.

    The active one is not named either: nobody may have meant it, and sync takes away what is not locked.
    """
    folder = target if target.is_dir() else target.absolute().parent.parent
    if not (folder / "pyvenv.cfg").is_file() or str(folder) == os.environ.get("VIRTUAL_ENV"):
        return ""
    return "" if venv.exists() and folder.samefile(venv) else relative(folder.absolute())


def default_target(venv: Path, verb: str = "verify", image: str = "--image") -> Path:
    """Return the project's virtual environment, else the active one; UsageError (`no-target`) where there is none.

    Args:
        verb: what it is for.
        image: the option that names an image instead.
    """
    for path in (venv, active_environment()):
        if path is not None and path.exists():
            return path
    raise UsageError(
        "no-target",
        f"There is nothing to {verb} yet.",
        expected=f"a virtual environment {relative(venv)}, or an active one",
        hint=f"Make it with `envlock sync`, or name a target with --python or {image}.",
    )
