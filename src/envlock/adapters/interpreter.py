"""Runs a script in a target's own Python, which may be broken or hostile."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from envlock.errors import UnverifiableError

_KEPT = (
    "PATH",
    "HOME",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "SYSTEMROOT",
    "TMPDIR",
    "TEMP",
    "USERPROFILE",
    "APPDATA",
)
"""What some interpreters need to start; PYTHON*, UV_*, PIP_*, CONDA_* and VIRTUAL_ENV must not reach them."""
_OUTPUT = 64 << 20


class TargetPython:
    """The process edge of `observe`: a script goes in on stdin, its output comes out, and time is limited."""

    def ask(self, python: Path, script: bytes, *, timeout: float = 30.0) -> bytes:
        """Return what the script printed.

        It runs isolated and without site (``-I -S -B``), so that no .pth file or sitecustomize of the target is
        executed. Raises UnverifiableError (`interpreter-failed`, `interpreter-hangs`).
        """
        return self._run([str(python), "-I", "-S", "-B", "-"], python, script, timeout)

    def _run(self, argv: Sequence[str], python: Path, script: bytes, timeout: float) -> bytes:
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        # A file takes any amount of output without a thread to drain it.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            try:
                done = subprocess.run(
                    argv,
                    input=script,
                    stdout=out,
                    stderr=err,
                    env=environment,
                    cwd=python.anchor,
                    timeout=timeout,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise UnverifiableError(
                    "interpreter-hangs",
                    f"The target's Python did not answer within {timeout:g} s.",
                    where=str(python),
                    hint=f"Try it by hand: {python} -I -S -c 'print(1)'",
                ) from None
            except OSError as error:
                raise UnverifiableError(
                    "interpreter-failed",
                    f"The target's Python cannot be started: {error.strerror or error}.",
                    where=str(python),
                    hint="Make the environment again: envlock sync",
                ) from None
            out.seek(0)
            answer = out.read(_OUTPUT)
            if done.returncode != 0 and not answer:
                err.seek(0)
                said = err.read(4096).decode("utf-8", "replace").strip().splitlines()
                raise UnverifiableError(
                    "interpreter-failed",
                    f"The target's Python ended with status {done.returncode}.",
                    where=str(python),
                    found=said[-1] if said else "",
                    hint="Make the environment again: envlock sync",
                )
            return answer
