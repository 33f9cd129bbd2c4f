"""`--numerics`: the probes of an environment are run where it is, and held against the fingerprint of its hardware."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from envlock.errors import UnverifiableError, UsageError
from envlock.formats.pylock import wheels_of
from envlock.model.edges import NoProgress, Probing, Progress
from envlock.model.lock import Lock, LockFile
from envlock.model.machine import Accelerators, Machine
from envlock.model.numerics import Device, Fingerprint, Numerics, Pass
from envlock.model.observation import Environment, Interpreter, Observation, Unknown
from envlock.model.passes import PassSettings, canonical, configured
from envlock.model.platform import Platform
from envlock.model.terms import Terms
from envlock.observe.conditions import conditions_of
from envlock.observe.numerics import Source, project_source, run_suite, sources_for
from envlock.observe.probe_pass import PATIENCE
from envlock.operations.expected_numbers import expected_numbers, wants_gpus
from envlock.operations.explain import explain
from envlock.verify.hardware import check_class_name
from envlock.verify.numbers import compare
from envlock.verify.visible import as_programs_see

_UNWATCHED = NoProgress()


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Where probes run, and what is so there: beside the lock, that decides their numbers."""

    place: Probing
    environ: Mapping[str, str]
    """That programs are started with there: of this process, or of the image."""
    environment: Environment
    machine: Machine
    inside: str = ""
    """What the project's folder is called there, if it has another name than here."""
    in_image: bool = False

    @property
    def seen(self) -> Machine:
        """The machine without the devices that variables hide from programs."""
        return as_programs_see(self.machine, self.environ)


@dataclass(frozen=True, kw_only=True)
class Questions:
    """What is asked of a stage beside what the lock says."""

    targets: Mapping[str, str]
    """The project's own probes, `module:function` by name."""
    folder: Path
    """Of the project."""
    names: tuple[str, ...] = ()
    """Of this machine and its user, which no result shall tell."""
    patience: float = PATIENCE
    progress: Progress = _UNWATCHED


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Numbers as a part of a verification."""

    stage: Callable[[Observation], AbstractContextManager[Stage | Unknown]]
    """Opens the place where probes of what was observed run."""
    questions: Questions
    fingerprints: Path
    """The folder of the environment's fingerprints."""
    explain: bool = False
    """Whether to find out which factors explain differences."""


def with_numbers(
    lock_file: LockFile, observation: Observation, terms: Terms, numbers: Numbers
) -> tuple[Observation, Terms]:
    """Return an observation with what its probes answered, and terms with the fingerprint that they are held against.

    Nothing is run where there is no fingerprint of this very lock. Raises UsageError (`no-fingerprint`,
    `unknown-class`) where the one that was asked for is not there.
    """
    check_class_name(lock_file.lock, terms.on)  # before anything runs for minutes
    with numbers.stage(observation) as stage:
        machine = stage.seen if isinstance(stage, Stage) else observation.machine
        expected = expected_numbers(
            lock_file.lock,
            lock_file.digest,
            machine if isinstance(machine, Machine) else None,
            numbers.fingerprints,
            against=terms.against,
            on=terms.on,
        )
        terms = replace(terms, fingerprint=expected)
        if isinstance(stage, Unknown):
            return replace(observation, numerics=stage), terms
        if not isinstance(expected, Fingerprint) or expected.lock != lock_file.digest:
            return observation, terms
        questions = numbers.questions
        sources = sources_of(lock_file.lock, stage, questions, expected.numerics)
        found = observe_numerics(lock_file.lock, stage, sources, questions)
        observation = replace(observation, numerics=found)
        if numbers.explain and isinstance(found, Numerics):
            explanations = explain(
                compare(expected.numerics, found, terms.table.ulps),
                expected.numerics,
                found,
                place=stage.place,
                sources=sources,
                passes=passes_of(lock_file.lock, stage),
                progress=questions.progress,
                patience=questions.patience,
            )
            observation = replace(observation, explanations=explanations)
        return observation, terms


def observe_numerics(lock: Lock, stage: Stage, sources: tuple[Source, ...], questions: Questions) -> Numerics | Unknown:
    """Run suites in both passes; Unknown where there is none, or no process could be started."""
    if not sources:
        return nothing_to_probe(lock)
    passes = passes_of(lock, stage)
    try:
        suites = tuple(
            run_suite(
                stage.place,
                source,
                passes(source.device),
                progress=questions.progress,
                patience=questions.patience,
                names=questions.names,
            )
            for source in sources
        )
    except UnverifiableError as error:
        return Unknown.because(error)
    device: Device = "gpu" if any(source.device == "gpu" for source in sources) else "cpu"
    conditions = conditions_of(
        stage.environment,
        stage.seen,
        passes(device)["configured"],
        frameworks=lock.frameworks,
        settings=lock.settings.variables,
        folder=str(questions.folder),
        in_image=stage.in_image,
    )
    return Numerics(conditions=conditions, suites=suites)


def sources_of(lock: Lock, stage: Stage, questions: Questions, expected: Numerics | None = None) -> tuple[Source, ...]:
    """Return the suites for what is locked on a stage's platform, and the project's own.

    Those of GPUs are for machines that have some, where the lock or the `expected` numbers have to do with them.
    """
    devices: list[Device] = ["cpu"]
    accelerators = stage.seen.accelerators
    known = expected is not None and any(suite.device == "gpu" for suite in expected.suites)
    if isinstance(accelerators, Accelerators) and accelerators.devices and (known or wants_gpus(lock)):
        devices.append("gpu")
    sources = sources_for(_locked_names(lock, stage.environment), devices)
    if not questions.targets:
        return sources
    return (*sources, project_source(questions.targets, questions.folder, inside=stage.inside))


def passes_of(lock: Lock, stage: Stage) -> Callable[[Device], Mapping[Pass, PassSettings]]:
    """Return how the settings of both passes follow from a kind of device."""
    settings = lock.settings.variables
    return lambda device: {
        "canonical": canonical(stage.environ, device, settings),
        "configured": configured(stage.environ, settings, device),
    }


def nothing_to_probe(lock: Lock) -> Unknown:
    """Return why a lock has no numbers."""
    return Unknown(
        reason="nothing that is locked has probes (numpy, scikit-learn, jax, torch, tensorflow), and the project has "
        "none of its own",
        hint=f'Name functions that return numbers: [env.{lock.env}.probes] NAME = "module:function"',
    )


def _locked_names(lock: Lock, environment: Environment) -> list[str]:
    """Return the packages that are locked for an environment's platform; all where it is none of the lock's."""
    platform = _platform_of(environment)
    if platform not in lock.platforms:
        return [package.name for package in lock.packages]
    return [package.name for package, _ in wheels_of(lock, platform)]


def _platform_of(environment: Environment) -> Platform | None:
    found = environment.interpreter
    if not isinstance(found, Interpreter):
        return None
    try:
        return Platform.of_machine(found.machine, found.system)
    except UsageError:
        return None
