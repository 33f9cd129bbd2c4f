"""`envlock verify` of a virtual environment or an interpreter: it is observed, then judged against the lock."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from envlock.model.artifact import Wheel
from envlock.model.edges import Machines, Memory, NoProgress, Progress, Records, TargetInterpreter
from envlock.model.finding import Verdict
from envlock.model.lock import LockFile
from envlock.model.observation import Observation, Variables
from envlock.model.terms import Terms

if TYPE_CHECKING:
    from envlock.operations.numerics import Numbers
    from envlock.verify.case import Case, Located

_UNWATCHED = NoProgress()


@dataclass(frozen=True, kw_only=True)
class Witnesses:
    """Whom a verification asks. What is None is not asked, and nothing that rests on it is judged."""

    records: Records
    """Asked for a wheel's RECORD only where a package could not be proven without."""
    interpreter: TargetInterpreter | None = None
    machine: Machines | None = None
    variables: Variables | None = None
    memory: Memory | None = None
    """Of the digests of files that are as they were; without it, or where it has none, every file is read."""
    numbers: Numbers | None = None
    """How probes of the target are run, which executes its code, and what their answers are held against."""
    progress: Progress = _UNWATCHED


def verify_environment(
    lock_file: LockFile,
    target: Path,
    *,
    folder: Path,
    witnesses: Witnesses,
    terms: Terms,
    meanwhile: Callable[[Terms], Terms] = lambda terms: terms,
    name: str = "",
    subject: str = "",
    venv: str = "",
) -> Verdict:
    """Judge a virtual environment, or the environment of an interpreter, on this machine.

    Args:
        target: a venv folder or a python.
        folder: of the lock file, where relative paths of wheels begin.
        witnesses: with an `interpreter`.
        meanwhile: what else the terms take, found out while the target is observed.
        name: how output calls the target.
        subject: what follows ``envlock verify`` in the commands that findings propose.
        venv: where ``envlock sync`` in them has to be told to work; empty for the environment's own place.

    Raises UsageError (`no-target`; with `numbers` what `operations.numerics.with_numbers` raises).
    """
    from envlock.verify.judgement import verdict_of

    case = environment_case(
        lock_file,
        target,
        folder=folder,
        witnesses=witnesses,
        terms=terms,
        meanwhile=meanwhile,
        name=name,
        subject=subject,
        venv=venv,
    )
    return verdict_of(case)


def environment_case(
    lock_file: LockFile,
    target: Path,
    *,
    folder: Path,
    witnesses: Witnesses,
    terms: Terms,
    meanwhile: Callable[[Terms], Terms] = lambda terms: terms,
    name: str = "",
    subject: str = "",
    venv: str = "",
) -> Case:
    """Return an observed environment beside its lock; the arguments are those of `verify_environment`."""
    assert witnesses.interpreter is not None
    with ThreadPoolExecutor(2) as pool:
        # The interpreter starts, files are read and drivers answer while this thread imports the rules.
        machine = pool.submit(witnesses.machine) if witnesses.machine is not None else None
        observed = pool.submit(_observe, target, witnesses, name=name, full=terms.full)
        from envlock.verify.case import Case
        from envlock.verify.rules import all_rules

        all_rules()
        terms = meanwhile(terms)
        observation = replace(
            observed.result(),
            machine=machine.result() if machine is not None else None,
            variables=witnesses.variables,
        )
    observation, terms = numbered(lock_file, observation, terms, witnesses)
    return Case(
        lock_file,
        observation,
        terms=terms,
        records=witnesses.records,
        locate=located_in(folder),
        progress=witnesses.progress,
        subject=subject,
        venv=venv,
    )


def numbered(
    lock_file: LockFile, observation: Observation, terms: Terms, witnesses: Witnesses
) -> tuple[Observation, Terms]:
    """Return both with the numbers of the target and the fingerprint, where somebody asked for them."""
    if witnesses.numbers is None:
        return observation, terms
    from envlock.operations.numerics import with_numbers

    return with_numbers(lock_file, observation, terms, witnesses.numbers)


def _observe(target: Path, witnesses: Witnesses, *, name: str, full: bool) -> Observation:
    from envlock.observe.environment import observe_environment

    assert witnesses.interpreter is not None
    return observe_environment(
        target, witnesses.interpreter, full=full, progress=witnesses.progress, name=name, memory=witnesses.memory
    )


def located_in(folder: Path) -> Callable[[Wheel], Located | None]:
    """Return how a wheel is found where the lock's `path` puts it."""

    from envlock.verify.case import Located

    def locate(wheel: Wheel) -> Located | None:
        if wheel.path is None:
            return None
        path = (folder / wheel.path).absolute()
        try:
            about = path.stat()
        except OSError:
            return Located(url=path.as_uri(), size=wheel.size, mtime_ns=0)
        return Located(url=path.as_uri(), size=about.st_size, mtime_ns=about.st_mtime_ns)

    return locate
