"""Observes a virtual environment or an interpreter's own: its Python is asked what it is, its files are read here."""

from __future__ import annotations

import hashlib
import os
import posixpath
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from envlock.errors import UnverifiableError, UsageError
from envlock.formats.launcher import named_interpreter
from envlock.formats.pyc import source_of
from envlock.model.edges import Memory, Progress, TargetInterpreter, Task
from envlock.model.observation import (
    Bytecode,
    Environment,
    File,
    Layout,
    Observation,
    Unknown,
)
from envlock.observe.bytecode import compare_bytecode
from envlock.observe.conda import with_conda
from envlock.observe.description import Answer, describe
from envlock.observe.distributions import find_distributions, recorded_elsewhere
from envlock.observe.interpreter import impostors
from envlock.observe.reading import BIG, Reading, read_metadata
from envlock.observe.stat_cache import StatCache
from envlock.observe.stdlib import look_at_stdlib
from envlock.observe.tree import look, walk
from envlock.observe.wanted import is_interpreter, is_metadata, keeper, worth_hashing

_PYTHONS = ("bin/python", "bin/python3", "Scripts/python.exe", "python.exe")


def find_python(target: Path) -> Path:
    """Return the interpreter of a venv folder, or the path itself; UsageError (`no-target`) where there is neither."""
    for candidate in (target, *(target / name for name in _PYTHONS)):
        if candidate.is_file():
            return Path(os.path.abspath(candidate))  # noqa: PTH100 - resolve() would follow a venv's link out of it
    for candidate in (*(target / name for name in _PYTHONS), target):
        if os.path.lexists(candidate) and not candidate.is_dir():
            return Path(os.path.abspath(candidate))  # noqa: PTH100 - it cannot be believed; there is something to look at
    if (target / "pyvenv.cfg").is_file() or (target / "conda-meta").is_dir():
        return Path(os.path.abspath(target / "bin/python"))  # noqa: PTH100
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
    memory: Memory | None = None,
) -> Observation:
    """Look at a venv folder or a python.

    `full` hashes every file, and where `compiled` compares bytecode with its source. `memory` has what an earlier look
    found out: digests of files that the file system says are the same, and what their bytecode was compared with.

    Folders are walked, and big files read, while the interpreter still starts.
    """
    python = find_python(target)
    key = _memory_key(python)
    cache = StatCache.parse(memory.recall(key) if memory is not None and full else None)
    with ThreadPoolExecutor(1) as asking, Reading(cache) as reading:
        asked = asking.submit(describe, python, interpreter)
        walked = {}
        with progress.task("Looking at installed files", unit="items") as task:
            for folder in _likely_folders(python):
                walked[folder] = _walk(folder, reading if full else None, task)
            try:
                described = asked.result()
            except UnverifiableError as error:
                return Observation(target=name or str(target), full=full, environment=Unknown.because(error))
            answer, python = described.answer, described.python
            layout = _layout(answer, python)
            files: dict[str, File] = {}
            for folder in (*layout.sites, layout.scripts, *_data_folders(answer, layout)):
                files.update(walked.pop(folder) if folder in walked else _walk(folder, reading if full else None, task))
        files[f"{layout.prefix}/pyvenv.cfg"] = config = look(f"{layout.prefix}/pyvenv.cfg")
        if config.problem:
            del files[f"{layout.prefix}/pyvenv.cfg"]
        keep = keeper(layout.sites, layout.scripts)
        read_metadata(files, [path for path in files if is_metadata(path, layout)], keep, digest=full)
        distributions = find_distributions(layout.sites, files)
        elsewhere, oddities = recorded_elsewhere(distributions, files, layout.data)
        for path in elsewhere:
            file = look(path)
            if not file.problem or os.path.lexists(path):
                files[path] = file
        bytecode = None
        if full:
            rest = [p for p, f in files.items() if not f.sha256 and not is_interpreter(p, layout)]
            rest = worth_hashing(rest, files, distributions)
            with progress.task("Hashing installed files", sum(files[p].size for p in rest), unit="bytes") as task:
                reading.finish(files, rest, keep, task)
            layout = _with_aliases(layout, files)
            if compiled:
                bytecode = (
                    _uncompared(files, described.silent)
                    if described.silent
                    else compare_bytecode(files, python, interpreter, progress, cache)
                )
            if memory is not None and cache.changed:
                memory.keep(key, *cache.pieces())
        distributions = with_conda(distributions, files, layout.prefix)
    return Observation(
        target=name or str(target),
        full=full,
        environment=Environment(
            interpreter=described.about,
            layout=layout,
            stdlib=look_at_stdlib(described.stdlib, python.resolve(), full=full) if described.stdlib else None,
            impostors=impostors(python, layout.scripts) if answer.venv and not described.silent else {},
            distributions=distributions,
            files=files,
            walked=True,
            hashed=full,
            bytecode=bytecode,
            oddities=tuple(oddities),
        ),
    )


def _memory_key(python: Path) -> str:
    """Return the name under which an environment is remembered: a digest, so that it names nobody's folders."""
    home = python.parent if (python.parent.parent / "pyvenv.cfg").is_file() else python
    return hashlib.sha256(b"environment\0" + os.fsencode(home)).hexdigest()


def _likely_folders(python: Path) -> list[str]:
    """Return where an interpreter most probably keeps its packages and scripts, before it has said so."""
    prefix = python.parent.parent
    sites = [*prefix.glob("lib/python*/site-packages"), *prefix.glob("Lib/site-packages")]
    return [str(sites[0]), str(python.parent)] if len(sites) == 1 and (prefix / "pyvenv.cfg").is_file() else []


def _walk(folder: str, reading: Reading | None, task: Task) -> dict[str, File]:
    """Return the files of a folder; where there is a `reading`, big ones are begun as they are met."""
    found = {}
    for path, file in walk(folder):
        found[path] = file
        if reading is not None and file.size >= BIG:
            reading.begin(path, file)
    task.advance(len(found))
    return found


def _uncompared(files: dict[str, File], reason: str) -> dict[str, Bytecode] | Unknown:
    """Return the comparison of bytecode that no interpreter can make: nothing is missing where there is none."""
    there = any(path.endswith(".pyc") and source_of(path) in files for path in files)
    return Unknown(reason=reason, hint="Verify it where its Python runs.") if there else {}


def _layout(answer: Answer, python: Path) -> Layout:
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


def _data_folders(answer: Answer, layout: Layout) -> list[str]:
    """Return where wheels put data and headers in a venv; elsewhere only what RECORD names is looked at."""
    return [f"{layout.data}/{name}" for name in ("include/site", "share", "etc", "man")] if answer.venv else []
