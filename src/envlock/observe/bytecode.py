"""Compares .pyc files with their sources, compiled again by the target's own interpreter."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files as resources
from pathlib import Path

from envlock.errors import UnverifiableError
from envlock.formats.pyc import source_of
from envlock.model.edges import Progress, TargetInterpreter
from envlock.model.observation import Bytecode, File, Unknown
from envlock.observe.stat_cache import StatCache
from envlock.observe.tree import look

_VERDICTS: dict[str, Bytecode] = {"same": "same", "differs": "differs", "ignored": "ignored"}
_BATCH = 400
_SECONDS = 300.0


def compare_bytecode(
    files: Mapping[str, File],
    python: Path,
    interpreter: TargetInterpreter,
    progress: Progress,
    cache: StatCache | None = None,
) -> Mapping[str, Bytecode] | Unknown:
    """Judge every .pyc whose source is there; Unknown where the interpreter could not be made to answer.

    What `cache` has from the same interpreter, for the same bytes of both files, is not asked again.
    """
    pairs = [(p, source) for p in sorted(files) if p.endswith(".pyc") and (source := source_of(p)) in files]
    if not pairs:
        return {}
    script = (resources("envlock") / "data/in_target/bytecode.py").read_bytes()
    cache = cache or StatCache()
    identity = _identity(python, script)
    questions = {pyc: _question(identity, pyc, files[pyc], files[source]) for pyc, source in pairs}
    verdicts = {pyc: known for pyc, question in questions.items() if (known := cache.verdict(question)) is not None}
    pairs = [pair for pair in pairs if pair[0] not in verdicts]
    groups = [pairs[at : at + _BATCH] for at in range(0, len(pairs), _BATCH)]
    try:
        with (
            progress.task("Compiling sources to compare bytecode", len(pairs)) as task,
            ThreadPoolExecutor(os.cpu_count() or 1) as pool,
        ):
            for answers in pool.map(lambda group: _ask(group, script, python, interpreter), groups):
                verdicts.update(answers)
                task.advance(len(answers))
    except UnverifiableError as error:
        return Unknown(reason=error.what, hint=error.hint)
    for pair in pairs:
        # The interpreter has read both files itself: this holds for what was hashed if nobody wrote to them since.
        if all(cache.knows(path) and _is_as_hashed(path, files[path]) for path in pair):
            cache.learn_verdict(questions[pair[0]], verdicts[pair[0]])
    return verdicts


def _identity(python: Path, script: bytes) -> bytes:
    """Return what tells an interpreter, and the question that it is asked, from another; never the same if unknown."""
    program = look(os.path.realpath(python))
    place = (program.device, program.inode, program.size, program.mtime_ns, program.ctime_ns)
    told = repr(place).encode() if not program.problem else os.urandom(16)
    return hashlib.sha256(told + b"\0" + script).digest()


def _question(identity: bytes, pyc: str, compiled: File, source: File) -> bytes:
    """Return the digest of all that a comparison depends on: bytes, the level in the name, the source's time."""
    level = pyc.rpartition(".opt-")[2] if ".opt-" in pyc else ""
    about = f"{compiled.sha256} {source.sha256} {source.size} {source.mtime_ns} {level}"
    known = compiled.sha256 and source.sha256
    return hashlib.sha256(identity + (about.encode() if known else os.urandom(16))).digest()


def _is_as_hashed(path: str, file: File) -> bool:
    now = look(path)
    return (now.device, now.inode, now.size, now.mtime_ns, now.ctime_ns) == (
        file.device,
        file.inode,
        file.size,
        file.mtime_ns,
        file.ctime_ns,
    )


def _ask(
    pairs: Iterable[tuple[str, str]], script: bytes, python: Path, interpreter: TargetInterpreter
) -> dict[str, Bytecode]:
    pending = list(pairs)
    answers: dict[str, Bytecode] = {}
    while pending:
        raw = interpreter.ask(python, f"PAIRS = {pending!a}\n".encode() + script, timeout=_SECONDS)
        ready, *lines = raw.decode("ascii", "replace").splitlines() or [""]
        if ready != "ready":
            raise UnverifiableError("interpreter-failed", "The target's Python did not run the comparison of bytecode.")
        for (pyc, _), line in zip(pending, lines, strict=False):
            answers[pyc] = _VERDICTS.get(line.partition(" ")[2], "differs")
        pending = pending[len(lines) :]
        if pending:
            # The interpreter died on this one: what crashes it is not what its source compiles to.
            answers[pending.pop(0)[0]] = "differs"
    return answers
