"""How `envlock report` holds an environment against the lock that the project has for it, wired to this machine."""

from __future__ import annotations

import datetime
import hashlib
import os
from typing import TYPE_CHECKING

import click

from envlock.cli.probing import numbers_of
from envlock.cli.targets import witnesses_of
from envlock.errors import EnvlockError, UsageError

if TYPE_CHECKING:
    from envlock.cli.probing import Opening
    from envlock.model.manifest import Manifest
    from envlock.model.report import LockedAs
    from envlock.model.unknown import Unknown
    from envlock.operations.report_judged import Trial


def locked_as(manifest: Manifest | None, name: str | None) -> LockedAs | None:
    """Return which lock the project has for an environment, without reading it."""
    from envlock.model.report import LockedAs

    if manifest is None or name is None or not manifest.lock_path(name).is_file():
        return None
    return LockedAs(env=name, digest=hashlib.sha256(manifest.lock_path(name).read_bytes()).hexdigest())


def trial_of(
    ctx: click.Context, manifest: Manifest | None, lock: LockedAs | None, stage: Opening | None, patience: float
) -> Trial | Unknown | None:
    """Return how the environment is held against its lock; Unknown where the lock or the manifest cannot be used.

    With a `stage`, where probes run, it has to be: UsageError.
    """
    from envlock.model.unknown import Unknown

    if manifest is None or lock is None:
        if stage is not None:
            raise UsageError(
                "no-lock",
                "Which probes are run, and with which settings, is said by a lock, and here is none.",
                hint="Lock it first: envlock lock",
            )
        return None
    try:
        return _trial(ctx, manifest, lock.env, stage, patience)
    except EnvlockError as error:
        if stage is not None:
            raise
        return Unknown.because(error)


def _trial(ctx: click.Context, manifest: Manifest, env: str, stage: Opening | None, patience: float) -> Trial:
    from envlock.adapters.cache import Cache
    from envlock.adapters.interpreter import TargetPython
    from envlock.adapters.machine import observe_machine
    from envlock.adapters.memory import CacheMemory
    from envlock.formats.pylock import read_lock
    from envlock.model.factors import marker_of, variables_here
    from envlock.model.terms import Terms
    from envlock.operations.check import check_environment
    from envlock.operations.report_judged import Trial
    from envlock.verify.acceptance import check_table

    table = manifest.environment(env).verify
    check_table(table, f"{manifest.path.name}: env.{env}.verify")
    path = manifest.lock_path(env)
    lock_file = read_lock(path)
    variables = variables_here(
        os.environ,
        folder=str(manifest.folder),
        locked=lock_file.lock.settings.variables,
        marker=marker_of(env, lock_file.digest),
    )
    return Trial(
        lock_file=lock_file,
        folder=path.parent,
        witnesses=witnesses_of(
            ctx,
            manifest,
            env,
            interpreter=TargetPython(),
            machine=observe_machine,
            variables=variables,
            memory=CacheMemory(Cache().root),
        ),
        terms=Terms(
            today=datetime.datetime.now(datetime.UTC).date(),
            table=table,
            stale=tuple(check_environment(manifest, env)),
        ),
        numbers=numbers_of(ctx, manifest, env, stage, explain=False, patience=patience) if stage is not None else None,
    )
