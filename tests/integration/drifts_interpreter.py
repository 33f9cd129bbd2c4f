"""Drift of the interpreter: another Python, a broken one, or one that is not what it says."""

from __future__ import annotations

import shutil
import subprocess
from functools import partial
from pathlib import Path

from tests.integration.bench import Bench, uv
from tests.integration.drift import drift
from tests.integration.programs import python_of


def _remade(bench: Bench, python: str) -> None:
    """Make the environment with another Python, from the same requirements."""
    shutil.rmtree(bench.venv)
    uv("venv", "--python", python, bench.venv)
    bench.install("markupsafe==2.1.5", "jmespath==0.10.0", "tqdm==4.64.0")


def _newer(bench: Bench) -> None:
    _remade(bench, python_of("3.12"))


def _older(bench: Bench) -> None:
    _remade(bench, python_of("3.10"))


def _relinked(bench: Bench) -> None:
    """bin/python leads to a newer Python, for which nothing in this folder was made."""
    for name in ("python", "python3", "python3.11"):
        (bench.venv / "bin" / name).unlink(missing_ok=True)
        (bench.venv / "bin" / name).symlink_to(python_of("3.12"))


def _says_nothing(bench: Bench) -> None:
    bench.write(_unlinked(bench), "#!/bin/sh\ntrue\n").chmod(0o755)


def _fails(bench: Bench) -> None:
    bench.write(_unlinked(bench), "#!/bin/sh\nexit 7\n").chmod(0o755)


def _lies(bench: Bench) -> None:
    """It answers for another environment, whose files would match."""
    other = bench.spare / "other"
    subprocess.run(["cp", "-a", bench.venv, other], check=True)
    bench.write(_unlinked(bench), f'#!/bin/sh\nexec {other}/bin/python "$@"\n').chmod(0o755)


def _gone(bench: Bench) -> None:
    _unlinked(bench)
    for name in ("python3", "python3.11"):
        (bench.venv / "bin" / name).unlink(missing_ok=True)


def _not_executable(bench: Bench) -> None:
    bench.write(_unlinked(bench), b"\x7fELF").chmod(0o755)


def _unlinked(bench: Bench) -> Path:
    bench.python.unlink()
    return bench.python


row = partial(drift, "Interpreter")
INTERPRETERS = (
    row("a newer Python", _newer, "python-version", 1, beside=("package-rebuilt", "file-missing")),
    row("an older Python", _older, "python-version", 1, beside=("package-rebuilt", "file-missing")),
    row("bin/python leads to a newer Python", _relinked, "target-unknown", 3),
    row("an interpreter that says nothing", _says_nothing, "target-unknown", 3),
    row("an interpreter that fails", _fails, "target-unknown", 3),
    row("an interpreter that answers for another environment", _lies, "target-unknown", 3),
    row("an interpreter that is no program", _not_executable, "target-unknown", 3),
    row("no interpreter", _gone, "target-unknown", 3),
)  # fmt: skip
