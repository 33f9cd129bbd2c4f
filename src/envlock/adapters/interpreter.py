"""Runs a script in a target's own Python, which may be broken or hostile."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Self

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
_LOOK = 0.05
"""Seconds between two looks at how much a running interpreter has written."""
_SESSIONS = os.name == "posix"


class TargetPython:
    """The process edge of `observe`: a script goes in on stdin, its output comes out, and time and output are limited.

    Whatever the interpreter starts is ended with it.
    """

    def ask(self, python: Path, script: bytes, *, timeout: float = 30.0) -> bytes:
        """Return what the script printed.

        It runs isolated and without site (``-I -S -B``), so that no .pth file or sitecustomize of the target is
        executed. Raises UnverifiableError (`interpreter-failed`, `interpreter-hangs`, `interpreter-floods`).
        """
        return self._run([str(python), "-I", "-S", "-B", "-"], python, script, timeout)

    def _run(self, argv: Sequence[str], python: Path, script: bytes, timeout: float) -> bytes:
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        # Files take any amount of output, and give any amount of input, without a thread to serve them.
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            given.write(script)
            given.seek(0)
            try:
                child = subprocess.Popen(
                    argv,
                    stdin=given,
                    stdout=out,
                    stderr=err,
                    env=environment,
                    cwd=python.anchor,
                    start_new_session=_SESSIONS,
                )
            except OSError as error:
                raise UnverifiableError(
                    "interpreter-failed",
                    f"The target's Python cannot be started: {error.strerror or error}.",
                    where=str(python),
                    hint="Make the environment again: envlock sync",
                ) from None
            with _Guard(child, (out, err), timeout) as guard:
                guard.wait()
            status = child.wait()
            if guard.reason == "time":
                raise UnverifiableError(
                    "interpreter-hangs",
                    f"The target's Python did not answer within {timeout:g} s.",
                    where=str(python),
                    hint=f"Try it by hand: {python} -I -S -c 'print(1)'",
                )
            if guard.reason == "output" or _size(out) > _OUTPUT:
                raise UnverifiableError(
                    "interpreter-floods",
                    f"The target's Python wrote more than {_OUTPUT >> 20} MiB instead of an answer.",
                    where=str(python),
                    hint="Make the environment again: envlock sync",
                )
            out.seek(0)
            answer = out.read(_OUTPUT)
            if status != 0 and not answer:
                err.seek(0)
                said = err.read(4096).decode("utf-8", "replace").strip().splitlines()
                raise UnverifiableError(
                    "interpreter-failed",
                    f"The target's Python ended with status {status}.",
                    where=str(python),
                    found=said[-1] if said else "",
                    hint="Make the environment again: envlock sync",
                )
            return answer


class _Guard:
    """Ends a child that takes too long or writes too much, and whatever it leaves behind in its session."""

    def __init__(self, child: subprocess.Popen[bytes], outputs: Sequence[IO[bytes]], timeout: float) -> None:
        self.reason = ""
        self._child = child
        self._outputs = outputs
        self._deadline = time.monotonic() + timeout
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        self._thread.join()
        self._kill()

    def wait(self) -> None:
        """Wait until the child has ended, without taking its status: until then its number is nobody else's."""
        if hasattr(os, "waitid"):
            os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOWAIT)
        else:
            self._child.wait()

    def _watch(self) -> None:
        while not self._done.wait(min(_LOOK, max(0.0, self._deadline - time.monotonic()))):
            if time.monotonic() >= self._deadline:
                self.reason = "time"
            elif sum(map(_size, self._outputs)) > _OUTPUT:
                self.reason = "output"
            if self.reason:
                self._kill()
                return

    def _kill(self) -> None:
        if _SESSIONS:
            _kill_session(self._child.pid)
        else:
            self._child.kill()


def _size(file: IO[bytes]) -> int:
    return os.fstat(file.fileno()).st_size


def _kill_session(leader: int) -> None:
    """End a child and all that is left of its session."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses where only the zombie is left
        os.killpg(leader, signal.SIGKILL)
