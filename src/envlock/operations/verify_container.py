"""`envlock verify --container`: a container is observed by what its Engine says of it, and judged against the lock."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

from msgspec.structs import replace

from envlock.model.finding import Verdict
from envlock.model.lock import LockFile
from envlock.model.observation import Environment, Unknown
from envlock.model.terms import Terms
from envlock.operations.expected_image import Bases
from envlock.operations.numerics import Numbers
from envlock.operations.verify import Witnesses, numbered
from envlock.operations.verify_image import Engines, image_case, locked_variables
from envlock.verify.case import Case
from envlock.verify.container_paths import covers, kind_of
from envlock.verify.judgement import verdict_of


def verify_container(
    lock_file: LockFile,
    name: str,
    *,
    sums: Path,
    witnesses: Witnesses,
    terms: Terms,
    engines: Engines,
    subject: str = "",
    bases: Bases = lambda _: None,
) -> Verdict:
    """Judge a container, running or not: its image, what it changed of it, its variables, and the machine that it sees.

    Quick: by what the Engine says. Full: every file of it is read, in one stream. Nothing in it is changed; where it
    runs, a Python of its own is asked for facts of the machine.

    Args:
        name: or ID.
        sums: envlock.sum.
        bases: returns the documents of the lock's base from a registry where they are at hand.

    Raises UsageError (`no-engine`, `no-container`, `engine-failed`, `bad-sums`).
    """
    from envlock.observe.container import observe_container

    with engines() as engine:
        observation = observe_container(
            engine, name, full=terms.full, progress=witnesses.progress, locked=locked_variables(lock_file)
        )
    subject = subject or f"{lock_file.lock.env} --container {name}"
    case = image_case(lock_file, observation, sums=sums, bases=bases, witnesses=witnesses, terms=terms, subject=subject)
    environment, container = case.observation.environment, case.observation.container
    if (
        case.is_vouched_image
        and isinstance(environment, Environment)
        and isinstance(environment.bytecode, Unknown)
        and container is not None
        and not any(change.path.endswith(".pyc") for change in container.changes)
    ):
        # It is the image's, every byte of which envlock.sum vouches for.
        observation = replace(case.observation, environment=replace(environment, bytecode=None))
        case = image_case(
            lock_file, observation, sums=sums, bases=bases, witnesses=witnesses, terms=terms, subject=subject
        )
    if witnesses.numbers is None:
        return verdict_of(case)
    if own := _own_code(case):
        witnesses = dataclasses.replace(witnesses, numbers=_not_run(witnesses.numbers, own, lock_file.lock.env))
    observation, terms = numbered(lock_file, case.observation, terms, witnesses)
    case = image_case(lock_file, observation, sums=sums, bases=bases, witnesses=witnesses, terms=terms, subject=subject)
    return verdict_of(case)


def _own_code(case: Case) -> str:
    """Return a path at which a container has other code than its image; empty where there is none."""
    container = case.observation.container
    changed = [change.path for change in container.changes] if container is not None else []
    mounted = [place for place in container.mounts if covers(case, place)] if container is not None else []
    return next(iter([*(path for path in changed if kind_of(case, path) in ("environment", "system")), *mounted]), "")


def _not_run(numbers: Numbers, path: str, env: str) -> Numbers:
    """Return numbers that are not had: probes run in a new container of the image, which would not be this one."""
    why = Unknown(
        reason=f"the container has code of its own ({path}), and probes are run in a new one of its image",
        hint=f"envlock verify {env} --numerics --image engine:NAME   (its image)",
    )
    return dataclasses.replace(numbers, stage=lambda _: contextlib.nullcontext(why))
