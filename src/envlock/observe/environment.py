"""Observes a virtual environment or an interpreter's own: its Python is asked what it is, its files are read here."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable
from importlib.resources import files as resources
from pathlib import Path

import msgspec

from envlock.errors import UnverifiableError, UsageError
from envlock.formats.dist_info import READ
from envlock.formats.launcher import named_interpreter
from envlock.model import records
from envlock.model.edges import Progress, TargetInterpreter
from envlock.model.observation import Distribution, Environment, File, Interpreter, Layout, Observation, Unknown
from envlock.observe.bytecode import compare_bytecode
from envlock.observe.distributions import find_distributions, recorded_elsewhere, recorded_sizes
from envlock.observe.tree import CONTENT_LIMIT, Keep, look, read_all, walk

_ANSWER_LIMIT = 1 << 20


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What data/in_target/describe.py prints."""

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


def find_python(target: Path) -> Path:
    """Return the interpreter of a venv folder, or the path itself; UsageError (`no-target`) where there is neither."""
    for candidate in (target, target / "bin/python", target / "bin/python3", target / "Scripts/python.exe"):
        if candidate.is_file():
            return Path(os.path.abspath(candidate))  # noqa: PTH100 - resolve() would follow a venv's link out of it
    raise UsageError(
        "no-target",
        "There is neither an interpreter nor a virtual environment.",
        where=str(target),
        expected="a python, or a folder with bin/python",
        hint="Make the environment: envlock sync",
    )


def observe_environment(
    target: Path,
    interpreter: TargetInterpreter,
    *,
    full: bool,
    progress: Progress,
    name: str = "",
    compiled: bool = True,
) -> Observation:
    """Look at a venv folder or a python.

    `full` hashes every file, and where `compiled` compares bytecode with its source.
    """
    python = find_python(target)
    try:
        answer = _ask(python, interpreter)
    except UnverifiableError as error:
        return Observation(
            target=name or str(target),
            full=full,
            environment=Unknown(reason=error.what + (f" ({error.found})" if error.found else ""), hint=error.hint),
        )
    layout = _layout(answer, python)
    files: dict[str, File] = {}
    with progress.task("Looking at installed files", unit="items") as task:
        for site in (*layout.sites, layout.scripts, *_data_folders(answer, layout)):
            found = dict(walk(site))
            files.update(found)
            task.advance(len(found))
    files[f"{layout.prefix}/pyvenv.cfg"] = config = look(f"{layout.prefix}/pyvenv.cfg")
    if config.problem:
        del files[f"{layout.prefix}/pyvenv.cfg"]
    keep = _keep(layout)
    metadata = [path for path in files if _is_metadata(path, layout)]
    with progress.task("Reading metadata", unit="items") as task:
        read_all(files, metadata, keep, digest=full, progress=_Uncounted())
    distributions = find_distributions(layout.sites, files)
    elsewhere, oddities = recorded_elsewhere(distributions, files, layout.data)
    for path in elsewhere:
        file = look(path)
        if not file.problem or os.path.lexists(path):
            files[path] = file
    bytecode = None
    if full:
        rest = [p for p, f in files.items() if not f.sha256 and not _is_interpreter(p, layout)]
        rest = _worth_hashing(rest, files, distributions)
        with progress.task("Hashing installed files", sum(files[p].size for p in rest), unit="bytes") as task:
            read_all(files, rest, keep, digest=True, progress=task)
        layout = _with_aliases(layout, files)
        bytecode = compare_bytecode(files, python, interpreter, progress) if compiled else None
    return Observation(
        target=name or str(target),
        full=full,
        environment=Environment(
            interpreter=Interpreter(
                implementation=answer.implementation,
                version=answer.version,
                system=answer.system,
                machine=answer.machine,
                libc=answer.libc,
            ),
            layout=layout,
            distributions=distributions,
            files=files,
            walked=True,
            hashed=full,
            bytecode=bytecode,
            oddities=tuple(oddities),
        ),
    )


class _Uncounted:
    def advance(self, amount: int = 1) -> None:
        """Count nothing: metadata is read in an instant."""


def _ask(python: Path, interpreter: TargetInterpreter) -> _Answer:
    script = (resources("envlock") / "data/in_target/describe.py").read_bytes()
    raw = interpreter.ask(python, script)
    try:
        answer = records.from_json(raw[:_ANSWER_LIMIT], _Answer)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UnverifiableError(
            "interpreter-failed",
            "The target's Python did not describe itself.",
            where=str(python),
            found=str(error),
            hint="Is it a CPython 3.6 or newer? Make the environment again: envlock sync",
        ) from None
    # A venv is a folder that envlock can see for itself: a python that points elsewhere would be judged by other files.
    home = python.parent.parent
    if (home / "pyvenv.cfg").is_file():
        prefix = os.path.realpath(home)
        for place in (answer.prefix, answer.sites[0] if answer.sites else "", answer.scripts):
            if os.path.commonpath([prefix, os.path.realpath(place or "/")]) != prefix:
                raise UnverifiableError(
                    "interpreter-lies",
                    "The Python of this virtual environment says that its files are elsewhere.",
                    where=str(python),
                    expected=f"below {prefix}",
                    found=place,
                    hint="Make the environment again: envlock sync",
                )
    return answer


def _layout(answer: _Answer, python: Path) -> Layout:
    sites: dict[tuple[int, int], str] = {}
    for site in answer.sites:
        try:
            about = os.stat(site)  # noqa: PTH116
        except OSError:
            continue
        sites.setdefault((about.st_dev, about.st_ino), os.path.normpath(site))
    feature = ".".join(answer.version.split(".")[:2])
    names = ("python", "python3", f"python{feature}")
    folders = dict.fromkeys([str(python.parent), answer.scripts, os.path.realpath(answer.scripts)])
    return Layout(
        prefix=os.path.normpath(answer.prefix),
        sites=tuple(sites.values()),
        scripts=os.path.normpath(answer.scripts),
        data=os.path.normpath(answer.data),
        headers=tuple(dict.fromkeys(os.path.normpath(path) for path in answer.headers)),
        pythons=tuple(dict.fromkeys([*(f"{folder}/{n}" for folder in folders for n in names), answer.executable])),
    )


def _with_aliases(layout: Layout, files: dict[str, File]) -> Layout:
    """Add the names by which scripts call the interpreter beside them, where a link leads there by another path."""
    here = os.path.realpath(layout.scripts)
    named = {
        python
        for path, file in files.items()
        if file.content and posixpath.dirname(path) == layout.scripts and (python := named_interpreter(file.content))
    }
    aliases = sorted(python for python in named if os.path.realpath(posixpath.dirname(python)) == here)
    return msgspec.structs.replace(layout, pythons=tuple(dict.fromkeys([*layout.pythons, *aliases])))


def _data_folders(answer: _Answer, layout: Layout) -> list[str]:
    """Return where wheels put data and headers in a venv; elsewhere only what RECORD names is looked at."""
    return [f"{layout.data}/{name}" for name in ("include/site", "share", "etc", "man")] if answer.venv else []


def _worth_hashing(paths: list[str], files: dict[str, File], distributions: Iterable[Distribution]) -> list[str]:
    """Leave out huge files whose digest no rule needs: those of nobody, and those that RECORD gives another size.

    A sparse file of a terabyte must not stop a verification.
    """
    huge = [path for path in paths if files[path].size > CONTENT_LIMIT]
    if not huge:
        return paths
    sizes = recorded_sizes(distributions, files)
    left_out = set()
    for path in huge:
        size = sizes.get(path, -1)
        if size is not None and size != files[path].size:
            left_out.add(path)
            if size >= 0:
                problem = f"it has {files[path].size} bytes, RECORD says {size}"
                files[path] = msgspec.structs.replace(files[path], problem=problem)
    return [path for path in paths if path not in left_out]


def _is_metadata(path: str, layout: Layout) -> bool:
    """Tell whether even --quick reads a file."""
    folder, name = posixpath.split(path)
    if name in READ:
        return folder.endswith((".dist-info", ".egg-info"))
    return name == "pyvenv.cfg" or (name.endswith((".pth", ".egg-link", ".egg-info")) and folder in layout.sites)


def _is_interpreter(path: str, layout: Layout) -> bool:
    folder, name = posixpath.split(path)
    return folder == layout.scripts and name.startswith("python")


def _keep(layout: Layout) -> Keep:
    return keeper(layout.sites, layout.scripts)


def keeper(sites: Iterable[str], scripts: str) -> Keep:
    """Return the choice of files whose content rules read."""
    roots = frozenset(sites)

    def keep(path: str, start: bytes) -> bool:
        folder, name = posixpath.split(path)
        if name.endswith(".pyc"):
            return True
        if name == "pyvenv.cfg":
            return True
        if name in READ:
            return folder.endswith((".dist-info", ".egg-info"))
        if folder == scripts:
            return start == b"#!"
        return name.endswith((".pth", ".egg-link", ".egg-info")) and folder in roots

    return keep
