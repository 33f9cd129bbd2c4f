"""Compares .pyc files with their sources, compiled again by the target's own interpreter."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files as resources
from pathlib import Path

from envlock.errors import UnverifiableError
from envlock.formats.pyc import source_of
from envlock.model.edges import Progress, TargetInterpreter
from envlock.model.observation import Bytecode, File, Unknown

_VERDICTS: dict[str, Bytecode] = {"same": "same", "differs": "differs", "ignored": "ignored"}
_BATCH = 400
_SECONDS = 300.0


def compare_bytecode(
    files: Mapping[str, File], python: Path, interpreter: TargetInterpreter, progress: Progress
) -> Mapping[str, Bytecode] | Unknown:
    """Judge every .pyc whose source is there; Unknown where the interpreter could not be made to answer."""
    pairs = [(p, source) for p in sorted(files) if p.endswith(".pyc") and (source := source_of(p)) in files]
    if not pairs:
        return {}
    verdicts: dict[str, Bytecode] = {}
    groups = [pairs[at : at + _BATCH] for at in range(0, len(pairs), _BATCH)]
    try:
        with (
            progress.task("Compiling sources to compare bytecode", len(pairs)) as task,
            ThreadPoolExecutor(os.cpu_count() or 1) as pool,
        ):
            for answers in pool.map(lambda group: _ask(group, python, interpreter), groups):
                verdicts.update(answers)
                task.advance(len(answers))
    except UnverifiableError as error:
        return Unknown(reason=error.what, hint=error.hint)
    return verdicts


def _ask(pairs: Iterable[tuple[str, str]], python: Path, interpreter: TargetInterpreter) -> dict[str, Bytecode]:
    script = (resources("envlock") / "data/in_target/bytecode.py").read_bytes()
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
