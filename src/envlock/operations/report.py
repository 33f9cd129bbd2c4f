"""`envlock report`: what is installed, on which machine, with which settings, and nothing that says whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from envlock import __version__
from envlock.model.edges import Machines, NoProgress, Progress, TargetInterpreter
from envlock.model.observation import Environment, Variables
from envlock.model.report import Checkout, Installed, LockedAs, Report
from envlock.model.unknown import Unknown
from envlock.observe.environment import observe_environment
from envlock.operations.report_inputs import hashed_inputs
from envlock.operations.report_installed import installed, startup
from envlock.operations.report_judged import Held, Trial, held_against
from envlock.operations.report_redaction import redacted_report

_UNWATCHED = NoProgress()


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Where a report is made: what of it belongs into the report, and the names that do not."""

    now: datetime
    machine: Machines | None = None
    """Asked where there is no `trial`, which has witnesses of its own."""
    variables: Variables | None = None
    """Of `model.factors`, which takes out of them what is private beside names."""
    checkout: Checkout | Unknown | None = None
    inputs: Mapping[str, Path] = field(default_factory=dict)
    """Data files and folders, by the names that the report gives them."""
    lock: LockedAs | None = None
    trial: Trial | Unknown | None = None
    """How the environment is held against that lock; Unknown where it cannot be, None where there is none."""
    names: tuple[str, ...] = ()
    """Of this machine and its user, and secrets, which no report holds."""
    progress: Progress = _UNWATCHED


def report_on(target: Path, interpreter: TargetInterpreter, scene: Scene, *, full: bool) -> Report:
    """Observe a virtual environment, or the environment of an interpreter, and this machine.

    Where there is a lock to hold it against, one look at the files serves both. `full` hashes every installed file.
    Raises UsageError (`no-target`).
    """
    held = _held(target, interpreter, scene, full=full)
    environment = held.observation.environment
    found: tuple[Installed, ...] | Unknown
    if isinstance(environment, Environment):
        python, found = environment.interpreter, tuple(installed(environment))
    else:
        python = found = environment or Unknown(reason="It was not observed.")
    report = Report(
        envlock=__version__,
        created=scene.now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        full=full,
        interpreter=python,
        distributions=found,
        startup=tuple(startup(environment)) if isinstance(environment, Environment) else (),
        variables=scene.variables,
        machine=held.observation.machine,
        checkout=scene.checkout,
        inputs=dict(hashed_inputs(scene.inputs, scene.progress)),
        lock=scene.lock,
        judged=held.judged,
        numerics=held.numerics,
    )
    return redacted_report(report, scene.names)


def _held(target: Path, interpreter: TargetInterpreter, scene: Scene, *, full: bool) -> Held:
    """Return what was observed, and what a lock says of it where there is one."""
    if isinstance(scene.trial, Trial):
        return held_against(scene.trial, target, full=full)
    observation = observe_environment(target, interpreter, full=full, progress=scene.progress, compiled=False)
    machine = scene.machine() if scene.machine is not None else None
    return Held(observation=replace(observation, machine=machine), judged=scene.trial)
