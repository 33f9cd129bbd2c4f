"""`envlock sync --check`: what sync would change, with nothing touched."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
from msgspec.structs import replace

from envlock.errors import UnverifiableError
from envlock.formats.pylock import wheels_of
from envlock.model.edges import Progress, Records, TargetInterpreter
from envlock.model.lock import LockFile
from envlock.model.observation import Environment, Observation, Unknown
from envlock.model.platform import Platform
from envlock.observe.environment import observe_environment
from envlock.operations import local_venv
from envlock.verify.case import Case


class PendingChange(msgspec.Struct, frozen=True, kw_only=True):
    """One package that sync would touch."""

    name: str
    action: Literal["install", "replace", "reinstall", "remove"]
    before: str = ""
    """The version that is there; empty where none is."""
    after: str = ""
    """The locked version; empty for what the lock does not have."""


def pending_changes(
    lock_file: LockFile,
    platform: Platform,
    venv: Path,
    *,
    interpreter: TargetInterpreter,
    records: Records,
    progress: Progress,
) -> tuple[PendingChange, ...]:
    """Return what `sync_environment` would do, sorted by name: by metadata, as installers judge, and without a network.

    Raises UsageError (`not-a-venv`, `other-python`) as sync does, UnverifiableError where its Python cannot be asked.
    """
    locked = {package.name: package.version for package, _ in wheels_of(lock_file.lock, platform)}
    if not local_venv.exists(venv):
        return tuple(PendingChange(name=name, action="install", after=locked[name]) for name in sorted(locked))
    local_venv.check_python(venv, lock_file.lock.python, lock_file.lock.env)
    observation = observe_environment(venv, interpreter, full=False, progress=progress)
    if not isinstance(observation.environment, Environment):
        unknown = observation.environment or Unknown(reason="It could not be observed")
        raise UnverifiableError("interpreter-failed", unknown.reason, where=str(venv), hint=unknown.hint)
    case = Case(lock_file, _own_packages(observation, observation.environment), progress=progress)
    everything = (
        local_venv.unfinished_mark(venv).exists()
        or not local_venv.foreign_origins(venv).isdisjoint(locked)
        or bool(local_venv.other_builds(venv, lock_file.lock, platform, records))
    )
    kept = local_venv.seeds_of(venv)
    changes = []
    for name in sorted({*locked, *case.installed}):
        before = ", ".join(distribution.version for distribution in case.installed.get(name, ()))
        after = locked.get(name, "")
        if not before:
            changes.append(PendingChange(name=name, action="install", after=after))
        elif not after:
            if name not in kept:
                changes.append(PendingChange(name=name, action="remove", before=before))
        elif name not in case.matching:
            changes.append(PendingChange(name=name, action="replace", before=before, after=after))
        elif everything:
            changes.append(PendingChange(name=name, action="reinstall", before=before, after=after))
    return tuple(changes)


def _own_packages(observation: Observation, environment: Environment) -> Observation:
    """Return what the environment itself holds: what it sees of the system's site-packages is never touched."""
    inside = environment.layout.prefix.rstrip("/") + "/"
    sites = tuple(site for site in environment.layout.sites if site.startswith(inside))
    layout = replace(environment.layout, sites=sites)
    return replace(observation, environment=replace(environment, layout=layout))
