"""Where probes run, wired to this machine: the Python of an environment here, or containers of an Engine's image."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from envlock.cli import interrupt

if TYPE_CHECKING:
    from envlock.adapters.engine import Engine
    from envlock.model.lock import Lock
    from envlock.model.manifest import Manifest
    from envlock.model.observation import Observation
    from envlock.model.unknown import Unknown
    from envlock.operations.numerics import Numbers, Questions, Stage

    Opening = Callable[[Observation], AbstractContextManager[Stage | Unknown]]


patience_option = click.option(
    "--patience",
    type=click.FloatRange(min=0.1),
    default=60.0,  # observe.probe_pass.PATIENCE, which --help does not import
    metavar="SECONDS",
    help="How long a probe may take to answer (default 60), and a framework, four times, to be imported.",
)


def questions_of(ctx: click.Context, manifest: Manifest, env: str, patience: float) -> Questions:
    """Return what is asked of probes: the project's own, and how long."""
    from envlock.adapters.identity import private_names, secret_values
    from envlock.cli.progress import progress_for
    from envlock.operations.numerics import Questions

    interrupt.listen_for_the_end()
    return Questions(
        targets=manifest.environment(env).probes,
        folder=manifest.folder,
        names=(*secret_values(os.environ), *private_names()),
        patience=patience,
        progress=progress_for(quiet=ctx.obj["quiet"]),
    )


def numbers_of(
    ctx: click.Context, manifest: Manifest, env: str, stage: Opening, *, explain: bool, patience: float
) -> Numbers:
    """Return the numbers of a verification."""
    from envlock.operations.numerics import Numbers

    return Numbers(
        stage=stage,
        questions=questions_of(ctx, manifest, env, patience),
        fingerprints=manifest.fingerprints_path(env),
        explain=explain,
    )


def here(target: Path) -> Opening:
    """Return how the Python of an environment here is opened: a venv's, conda's, or a single interpreter."""

    @contextlib.contextmanager
    def opened(observation: Observation) -> Iterator[Stage | Unknown]:
        from envlock.adapters.machine import observe_machine
        from envlock.adapters.probing import PythonProbing
        from envlock.model.machine import Machine
        from envlock.model.observation import Environment
        from envlock.model.unknown import Unknown
        from envlock.observe.environment import find_python
        from envlock.operations.numerics import Stage

        environment, machine = observation.environment, observation.machine
        if not isinstance(environment, Environment):
            reason = environment.reason if isinstance(environment, Unknown) else "nothing is installed there"
            yield Unknown(reason=f"the probes were not run: {reason}")
            return
        yield Stage(
            place=PythonProbing(find_python(target)),
            environ=os.environ,
            environment=environment,
            machine=machine if isinstance(machine, Machine) else observe_machine(),
        )

    return opened


def in_image(manifest: Manifest, lock: Lock, name: str) -> Opening:
    """Return how containers of an Engine's image are opened, by its name or ID."""

    @contextlib.contextmanager
    def opened(_: Observation) -> Iterator[Stage | Unknown]:
        from envlock.adapters.engine import Engine
        from envlock.adapters.engine_targets import EngineTargets

        with EngineTargets() as targets:
            image = targets.image(name)
        with Engine() as engine:
            yield staged(engine, manifest, lock, image.image_id, image.variables, image.workdir)

    return opened


def like_container(manifest: Manifest, lock: Lock, name: str) -> Opening:
    """Return how new containers are opened that are of the image of one, and have its variables."""

    @contextlib.contextmanager
    def opened(_: Observation) -> Iterator[Stage | Unknown]:
        from envlock.adapters.engine import Engine
        from envlock.adapters.engine_targets import EngineTargets

        with EngineTargets() as targets:
            container = targets.container(name)
            image = targets.image(container.image_id)
        with Engine() as engine:
            yield staged(engine, manifest, lock, image.image_id, container.variables, image.workdir)

    return opened


def staged(
    engine: Engine, manifest: Manifest, lock: Lock, image_id: str, variables: Mapping[str, str], workdir: str
) -> Stage | Unknown:
    """Return the stage that an image is: what is installed in it is asked of its own Python.

    The project is mounted, read-only, where it has probes of its own.
    """
    from envlock.adapters.container_probing import ContainerProbing
    from envlock.image.project import DEFAULT_WORKDIR
    from envlock.model.container import Mount
    from envlock.model.machine import Machine
    from envlock.model.unknown import Unknown
    from envlock.observe.installed import observe_installed
    from envlock.operations.expected_numbers import wants_gpus
    from envlock.operations.numerics import Stage

    inside = workdir if workdir.strip("/") else DEFAULT_WORKDIR
    own = manifest.environment(lock.env).probes
    place = ContainerProbing(
        engine,
        image_id,
        variables=variables,
        mounts=[Mount(source=str(manifest.folder), target=inside, read_only=True)] if own else [],
        gpus="wanted" if wants_gpus(lock) else "none",
    )
    environment = observe_installed(place, variables)
    if isinstance(environment, Unknown):
        return environment
    machine = place.machine()
    if isinstance(machine, Unknown):
        machine = Machine(system="linux", cpu=machine, memory=machine, accelerators=machine)
    return Stage(place=place, environ=variables, environment=environment, machine=machine, inside=inside, in_image=True)
