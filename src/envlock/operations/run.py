"""`envlock run`: a command in the locked environment of this machine."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from envlock.errors import StaleError, UsageError
from envlock.formats.pylock import wheels_of
from envlock.model.factors import MARKER, OTHER_CODE, dropped_by_run, marker_of
from envlock.model.lock import Lock, LockFile
from envlock.model.platform import Platform
from envlock.observe.distributions import normalise
from envlock.operations import local_venv

_MISSED = ("PYTHONPATH",)
"""Those that somebody may rely on, and is told of."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command of this machine, ready to be executed."""

    program: Path
    argv: tuple[str, ...]
    environment: dict[str, str]
    """All of it."""
    dropped: tuple[str, ...] = ()
    """Variables that were set here and are not passed on, though the command may have counted on them."""


def local_command(
    lock_file: LockFile,
    venv: Path,
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    extra: Mapping[str, str],
) -> Command:
    """Return a command in the virtual environment that `sync` made, with the lock's settings.

    The environment's programs come first on PATH, `extra` goes before the lock's settings and these before
    `environment`, of which nothing is passed on that would bring other code in, or change the numbers of a locked
    package. A variable marks the command as one that has the lock's settings. Raises UsageError (`no-venv`,
    `not-a-venv`, `other-python`, `no-command`).
    """
    lock = lock_file.lock
    if not local_venv.exists(venv):
        raise UsageError(
            "no-venv",
            f"Environment {lock.env!r} is not installed here.",
            where=str(venv),
            hint=f"Run `envlock sync {lock.env}` first, or use the image: envlock run {lock.env} --image -- …",
        )
    local_venv.check_python(venv, lock.python, lock.env)
    programs = str(venv / ("Scripts" if os.name == "nt" else "bin"))
    others = [part for part in environment.get("PATH", os.defpath).split(os.pathsep) if part and part != programs]
    own = {"VIRTUAL_ENV": str(venv), "PATH": os.pathsep.join([programs, *others])}
    changing = other_numbers(lock, environment)
    kept = {name: value for name, value in environment.items() if name not in (*OTHER_CODE, *changing)}
    mark = {MARKER: marker_of(lock.env, lock_file.digest)}
    variables = kept | own | mark | lock.settings.variables | dict(extra)
    found = shutil.which(argv[0], path=variables["PATH"])
    if found is None:
        raise UsageError(
            "no-command",
            f"There is no command {argv[0]!r}, in the environment or on PATH.",
            where=str(venv),
            hint="Is it the program of a package that is not locked? `envlock add` it.",
        )
    dropped = tuple(name for name in (*_MISSED, *changing) if name in environment and name not in variables)
    return Command(program=Path(found), argv=tuple(argv), environment=variables, dropped=dropped)


def other_numbers(lock: Lock, environment: Mapping[str, str], *, threads: bool = False) -> tuple[str, ...]:
    """Return the variables that change the numbers of a locked package and that the lock does not set.

    Args:
        threads: whether those that say how many threads count too where the lock leaves their number to the machine.
    """
    packages = {package.name for package in lock.packages}
    return tuple(
        name
        for name in sorted(environment)
        if environment[name]
        and dropped_by_run(
            name, packages, lock.settings.variables, threads=threads or lock.settings.threads is not None
        )
    )


def said_dropped(name: str) -> str:
    """Return the warning for a variable that is not passed on."""
    why = "it brings other code in" if name in OTHER_CODE else "it changes numbers and the lock does not set it"
    return f"{name} is not passed on, for {why}; with -e {name} it is."


def out_of_step(lock: Lock, platform: Platform, venv: Path) -> tuple[str, ...]:
    """Return what the names of installed distributions already tell: each locked package that is not there as locked.

    Read off the folders' names in a few milliseconds; `envlock verify` looks at the files.
    """
    if local_venv.unfinished_mark(venv).exists():
        return ("its sync was interrupted",)
    from packaging.utils import canonicalize_version

    found: dict[str, str] = {}
    for site in local_venv.sites_of(venv):
        for folder in site.glob("*.dist-info"):
            name, _, version = folder.name.removesuffix(".dist-info").rpartition("-")
            found[normalise(name)] = version
    return tuple(
        f"{package.name} {found.get(package.name, 'missing')}, locked {package.version}"
        for package, _ in wheels_of(lock, platform)
        if canonicalize_version(found.get(package.name, "").replace("_", "-")) != canonicalize_version(package.version)
    )


def refuse_out_of_step(differences: Sequence[str], env: str) -> None:
    """Raise StaleError (`out-of-step`) where an environment is not the locked one."""
    if differences:
        raise StaleError(
            "out-of-step",
            f"The installed environment is not what the lock of {env!r} says.",
            found=_several(differences),
            hint=f"Run `envlock sync {env}`.",
        )


def chosen_variables(texts: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of ``NAME=VALUE``, or ``NAME`` for one that is set here, as docker's -e reads them.

    Raises UsageError (`bad-variable`).
    """
    variables = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not _NAME.fullmatch(name):
            raise UsageError(
                "bad-variable",
                "--env does not name a variable.",
                expected="NAME=VALUE, or NAME for one that is set here",
                found=name,
            )
        if equals:
            variables[name] = value
        elif name in environment:
            variables[name] = environment[name]
    return variables


def _several(differences: Sequence[str]) -> str:
    more = f"; {len(differences) - 1} more" if len(differences) > 1 else ""
    return differences[0] + more


def said_out_of_step(differences: Sequence[str], env: str) -> str:
    """Return the warning for an environment that is not the locked one."""
    return f"the installed environment is not what is locked ({_several(differences)}); run `envlock sync {env}`."
