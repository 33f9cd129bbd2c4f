"""Describes the Python of a target: asked where it can be believed, else read off the folders that it left."""

from __future__ import annotations

import os
import re
from importlib.resources import files as resources
from pathlib import Path

import msgspec

from envlock.errors import UnverifiableError, UsageError
from envlock.formats.executable import SYSTEMS
from envlock.model import records
from envlock.model.edges import TargetInterpreter
from envlock.model.observation import Interpreter, Unknown
from envlock.observe.conda import read_conda_packages
from envlock.observe.interpreter import Program, contradictions, look_at, settings_of, standard_library, versions_of

_ANSWER_LIMIT = 1 << 20


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What data/in_target/describe.py prints, or what can be said in its place."""

    implementation: str
    version: str
    system: str
    machine: str
    libc: str
    executable: str
    prefix: str
    venv: bool
    sites: list[str]
    scripts: str
    data: str
    headers: list[str]
    stdlib: str = ""


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """A target's Python."""

    answer: Answer
    python: Path
    """The interpreter that answered, or would have."""
    about: Interpreter | Unknown
    stdlib: str = ""
    """Where the standard library of its program is; empty where that is not known."""
    silent: str = ""
    """Why it can be asked nothing more; empty where it can."""


def describe(python: Path, interpreter: TargetInterpreter) -> Description:
    """Return what is known of an interpreter.

    Where it cannot be asked, or not be believed, the folders of its environment are told all the same. Raises
    UnverifiableError where not even these can be seen.
    """
    try:
        program = look_at(python)
        if program.runs_here:
            return _asked(program, interpreter)
    except UnverifiableError as error:
        answer = _read_off(python, None)
        if answer is None:
            raise
        return Description(answer=answer, python=python, about=Unknown.because(error), silent=error.what)
    answer = _read_off(python, program)
    if answer is None:
        raise UnverifiableError(
            "interpreter-foreign",
            "The target's Python is a program of another system, and no environment is around it.",
            where=str(python),
            hint="Name the environment's folder with --python.",
        )
    silent = "The target's Python is a program of another system, which this machine cannot run."
    about = (
        Interpreter(implementation="cpython", version=answer.version, system=answer.system, machine=answer.machine)
        if answer.version and answer.machine
        else Unknown(reason=silent, hint="Verify it where it runs.")
    )
    return Description(answer=answer, python=python, about=about, silent=silent)


def _asked(program: Program, interpreter: TargetInterpreter) -> Description:
    try:
        answer = _ask(program.path, interpreter)
    except UnverifiableError as error:
        if error.reference == "interpreter-failed" and (held := versions_of(program)):
            error.found = f"{error.found}; by its bytes it is Python {held}".lstrip("; ")
        raise
    if program.format.kind == "script":
        # A shim, such as pyenv's: what it starts is the target, and has to say the same without it.
        claimed, program = answer, look_at(Path(answer.executable))
        if program.format.kind == "script":
            raise _lie(program.path, "a program that runs", "a script that names another script")
        answer = _ask(program.path, interpreter)
        if (answer.prefix, answer.version) != (claimed.prefix, claimed.version):
            raise _lie(program.path, f"Python {answer.version}", f"Python {claimed.version}, says its script")
    _check_places(answer, program)
    home = standard_library(program, ".".join(answer.version.split(".")[:2]))
    site = answer.sites[0] if answer.sites else ""
    about = Interpreter(
        implementation=answer.implementation,
        version=answer.version,
        system=answer.system,
        machine=answer.machine,
        libc=answer.libc,
        contradictions=contradictions(program, answer.version, answer.implementation, answer.stdlib, site),
    )
    return Description(answer=answer, python=program.path, about=about, stdlib=str(home) if home is not None else "")


def _ask(python: Path, interpreter: TargetInterpreter) -> Answer:
    script = (resources("envlock") / "data/in_target/describe.py").read_bytes()
    raw = interpreter.ask(python, script)
    try:
        return records.from_json(raw[:_ANSWER_LIMIT], Answer)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UnverifiableError(
            "interpreter-failed",
            "The target's Python did not describe itself.",
            where=str(python),
            found=str(error),
            hint="Is it a CPython 3.6 or newer? Make the environment again: envlock sync",
        ) from None


def _check_places(answer: Answer, program: Program) -> None:
    """Raise UnverifiableError (`interpreter-lies`) for a venv's Python that sends envlock to other folders.

    A venv is a folder that envlock can see for itself: a python that points elsewhere would be judged by other files.
    """
    if program.prefix is None:
        return
    prefix = os.path.realpath(program.prefix)
    for place in (answer.prefix, answer.sites[0] if answer.sites else "", answer.scripts):
        if not _is_below(os.path.realpath(place or os.sep), prefix):
            raise _lie(program.path, f"below {prefix}", place)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _lie(python: Path, expected: str, found: str) -> UnverifiableError:
    return UnverifiableError(
        "interpreter-lies",
        "The target's Python says of itself what its own files do not.",
        where=str(python),
        expected=expected,
        found=found,
        hint="Make the environment again: envlock sync",
    )


def _read_off(python: Path, program: Program | None) -> Answer | None:
    """Return where an environment keeps its files, by its folders alone; None where there is none around `python`."""
    prefix = next(
        (
            folder
            for folder in (python.parent.parent, python.parent)
            if os.path.lexists(folder / "pyvenv.cfg") or (folder / "conda-meta").is_dir()
        ),
        None,
    )
    if prefix is None:
        return None
    version = _version_of(prefix)
    feature = ".".join(version.split(".")[:2])
    windows = prefix / "Lib/site-packages"
    if windows.is_dir() and not (prefix / "lib" / f"python{feature}").is_dir():
        site, scripts, system = windows, prefix / "Scripts", "win32"
        headers = [prefix / "Include/site" / f"python{feature}", prefix / "Include"]
    else:
        found = sorted(prefix.glob("lib/python3.*/site-packages"))
        chosen = [path for path in found if path.parent.name.rstrip("t") == f"python{feature}"] or found
        if len(chosen) != 1:
            return None
        site, scripts, system = chosen[0], prefix / "bin", ""
        version = version or re.sub(r"[^\d.]", "", site.parent.name)
        headers = [prefix / "include/site" / site.parent.name, prefix / "include" / site.parent.name]
    return Answer(
        implementation="cpython",
        version=version,
        system=(SYSTEMS.get(program.format.kind, "") if program is not None else "") or system,
        machine=program.format.machine if program is not None else "",
        libc="",
        executable=str(python),
        prefix=str(prefix),
        venv=os.path.lexists(prefix / "pyvenv.cfg"),
        sites=[str(site)],
        scripts=str(scripts),
        data=str(prefix),
        headers=[str(path) for path in headers],
    )


def _version_of(prefix: Path) -> str:
    """Return the version that pyvenv.cfg or conda gives; empty where neither does."""
    try:
        stated = settings_of(prefix)
    except UnverifiableError:
        stated = {}
    version = re.sub(r"\.final\.\d+$", "", stated.get("version_info") or stated.get("version") or "")
    if version:
        return version
    try:
        return next((package.version for package in read_conda_packages(prefix) if package.name == "python"), "")
    except UsageError:
        return ""
