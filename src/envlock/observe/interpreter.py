"""Finds out by a target's files which program its interpreter really is, and whether what it says can be true.

A virtual environment names its interpreter three times: by the link or copy in its scripts folder, by `home` and the
version in pyvenv.cfg (PEP 405), and by the name of the folder of installed packages. The program itself holds its
version (`PY_VERSION`, in it or in its libpython). A Python that is asked may answer anything; these have to agree.
"""

from __future__ import annotations

import filecmp
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from envlock.errors import UnverifiableError
from envlock.formats.executable import HEAD, Executable, recognise
from envlock.observe.held_versions import VERSION, held_versions

_CONFIG_LIMIT = 1 << 16
_AGAIN = "Make the environment again: envlock sync"
_PYTHON_NAME = re.compile(r"pythonw?[\d.]*t?(\.exe)?")


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """The interpreter of a target as its files show it, before it is asked anything."""

    path: Path
    """Absolute; in a virtual environment the name by which programs are started there, else maybe a link or shim."""
    real: Path
    """The file that all links lead to."""
    format: Executable
    prefix: Path | None = None
    """Of the virtual environment that it belongs to."""
    settings: Mapping[str, str] = {}
    """pyvenv.cfg, keys in lower case."""

    @property
    def runs_here(self) -> bool:
        """Whether this machine can be expected to start it."""
        kinds = {"darwin": "mach-o", "win32": "pe"}
        return self.format.kind in (kinds.get(sys.platform, "elf"), "script")

    @property
    def stated_version(self) -> str:
        """The version that pyvenv.cfg gives: venv's `version`, uv's and virtualenv's `version_info`; empty if none."""
        stated = self.settings.get("version_info") or self.settings.get("version") or ""
        return re.sub(r"\.final\.\d+$", "", stated)


def look_at(python: Path) -> Program:
    """Examine an interpreter without running it.

    Raises UnverifiableError: `interpreter-broken` for a link that leads nowhere and for what cannot be read,
    `interpreter-disguised` for a virtual environment whose python is a script or no program at all, and
    `interpreter-redirected` where files beside it make Python take its standard library from elsewhere.
    """
    prefix = _prefix(python)
    try:
        real = python.resolve(strict=True)
        if not real.is_file():
            raise OSError(0, "it is no file")
        with real.open("rb") as file:
            head = file.read(HEAD)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "its links lead in a circle"
        raise UnverifiableError(
            "interpreter-broken",
            f"The target's Python cannot be read: {reason}.",
            where=str(python),
            hint=_AGAIN,
        ) from None
    found = recognise(head)
    program = Program(path=python, real=real, format=found, prefix=prefix, settings=settings_of(prefix))
    if not found.native and (prefix is not None or found.kind != "script"):
        raise UnverifiableError(
            "interpreter-disguised",
            "The target's Python is a script, which may do anything before Python starts."
            if found.kind == "script"
            else "The target's Python is no program.",
            where=str(python),
            expected="the program that an interpreter is",
            found=_first_line(head) if found.kind == "script" else "a file of another kind",
            hint=_AGAIN,
        )
    _refuse_redirection(program)
    return program


def contradictions(program: Program, version: str, implementation: str, stdlib: str, site: str) -> tuple[str, ...]:
    """Return how an interpreter's answers disagree with its own files, one sentence each.

    Args:
        version: full, as it says.
        stdlib: where it says that its standard library is; empty where it was not asked.
        site: its first folder of installed packages.
    """
    found = []
    feature = ".".join(version.split(".")[:2])
    stated = program.stated_version
    if stated and ".".join(stated.split(".")[:2]) != feature:
        found.append(f"it says that it is Python {version}, pyvenv.cfg that it is {stated}")
    folder = re.search(r"/lib(?:64)?/python(\d+\.\d+)t?/", site.replace("\\", "/") + "/")
    if program.prefix is not None and folder and folder[1] != feature:
        found.append(f"it says that it is Python {version} and keeps packages in the folder of {folder[1]}")
    if not VERSION.fullmatch(version):
        found.append("the version that it says is none")
    if implementation != "cpython":
        return tuple(found)
    if (held := _held(program, version)) is not None and version not in held:
        other = f"holds version {', '.join(sorted(held))}" if held else "is no Python by its bytes"
        found.append(f"it says that it is Python {version}, the program {other}")
    home = standard_library(program, feature)
    if stdlib and home is not None and os.path.realpath(stdlib) != os.path.realpath(home):
        found.append("its standard library is not the one beside it")
    return tuple(found)


def _held(program: Program, version: str | None) -> set[str] | None:
    return held_versions(program.real, program.format.kind, program.settings.get("home", ""), version)


def versions_of(program: Program) -> str:
    """Return the versions of Python that a program holds, for a message; empty where it holds none."""
    return ", ".join(sorted(_held(program, None) or ()))


def standard_library(program: Program, feature: str) -> Path | None:
    """Return the folder of the standard library that belongs to a program; None where there is none to be seen."""
    home = Path(program.settings["home"]) if program.prefix is not None and program.settings.get("home") else None
    if program.format.kind == "pe":
        folders = [(home or program.real.parent) / "Lib"]
    else:
        bases = [program.real.parent.parent, *([home.parent] if home is not None else [])]  # a copy's is its home's
        names = [f"{lib}/python{feature}{abi}" for abi in ("", "t") for lib in ("lib", "lib64")]
        folders = [base / name for base in bases for name in names]
    return next((folder for folder in folders if (folder / "os.py").is_file()), None)


def is_python_name(name: str) -> bool:
    """Tell whether a file of the scripts folder has a name by which the interpreter is started."""
    return _PYTHON_NAME.fullmatch(name) is not None


def impostors(python: Path, scripts: str) -> dict[str, str]:
    """Return what else is called python in the scripts folder of a virtual environment, by absolute path.

    Links to the interpreter and copies of it are no impostors, nor are programs of another format beside it: on
    Windows python.exe and pythonw.exe start the same Python.
    """
    found = {}
    try:
        names = sorted(name for name in os.listdir(scripts) if is_python_name(name))  # noqa: PTH208 - names alone
    except OSError:
        return {}
    for name in names:
        path = Path(scripts) / name
        try:
            if path.samefile(python):
                continue
            if not path.is_file():
                raise OSError(0, "it is no file")
            with path.open("rb") as file:
                other = recognise(file.read(HEAD))
            if other.kind == "pe" or filecmp.cmp(path, python, shallow=False):
                continue
            kinds = {"script": "a script", "other": "no program"}
            found[str(path)] = kinds.get(other.kind, "another interpreter")
        except OSError as error:
            found[str(path)] = f"it cannot be read: {error.strerror}"
    return found


def _prefix(python: Path) -> Path | None:
    """Return the folder of the virtual environment that an interpreter starts in, as site.py finds it."""
    return next((f for f in (python.parent, python.parent.parent) if os.path.lexists(f / "pyvenv.cfg")), None)


def settings_of(prefix: Path | None) -> dict[str, str]:
    """Return pyvenv.cfg, keys in lower case, as site.py reads it; UnverifiableError where it cannot be read."""
    if prefix is None:
        return {}
    config = prefix / "pyvenv.cfg"
    try:
        if not config.is_file():
            raise OSError(0, "it is no file")
        with config.open("rb") as file:
            text = file.read(_CONFIG_LIMIT).decode("utf-8", "surrogateescape")
    except OSError as error:
        raise UnverifiableError(
            "interpreter-broken",
            f"pyvenv.cfg cannot be read: {error.strerror}.",
            where=str(config),
            hint=_AGAIN,
        ) from None
    rows = (line.partition("=") for line in text.splitlines())
    return {key.strip().lower(): value.strip() for key, equals, value in rows if equals}


def _refuse_redirection(program: Program) -> None:
    """Raise UnverifiableError where the environment's own files send Python to another standard library.

    Source: Modules/getpath.py since CPython 3.11, Modules/getpath.c before; measured: with `python._pth` beside
    bin/python, modules of another folder are imported even under -I -S.
    """
    if program.prefix is None:
        return
    for folder in {program.path.parent, program.prefix}:
        beside = sorted(path.name for path in folder.glob("*._pth"))
        if beside:
            raise _redirected(program, f"{beside[0]} beside the interpreter decides where modules come from")
    home = program.settings.get("home", "")
    if not home:
        return
    names = {program.path.name, program.real.name, "python", "python3", "python.exe"}
    # virtualenv before 20.15 writes the prefix of its Python there, whose programs are in bin.
    folders = (Path(home), Path(home, "bin"))
    candidates = [path for folder in folders for name in sorted(names) if (path := folder / name).is_file()]
    if program.format.kind == "pe" and (candidates or not program.runs_here):
        return  # a virtual environment of Windows holds a launcher, another program than the interpreter
    if not program.runs_here or any(path.resolve() == program.real for path in candidates):
        return
    try:
        copied = any(filecmp.cmp(path, program.real, shallow=False) for path in candidates)
    except OSError:
        copied = False
    if not copied:
        raise _redirected(program, "the folder that pyvenv.cfg calls home holds another interpreter, or none")


def _redirected(program: Program, how: str) -> UnverifiableError:
    return UnverifiableError(
        "interpreter-redirected",
        f"The target's Python takes its standard library from elsewhere: {how}.",
        where=str(program.prefix),
        hint=_AGAIN,
    )


def _first_line(head: bytes) -> str:
    return head.split(b"\n", 1)[0][:120].decode("utf-8", "replace")
