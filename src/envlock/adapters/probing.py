"""Runs probes in the Python of an environment here: each process in a session of its own, ended with all it started."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from envlock.errors import UnverifiableError
from envlock.model.numerics import ProbeEnd

LINE = 1 << 20
"""Longest line that is handed on whole; an answer has some kilobytes."""
OUTPUT = 32 << 20
"""What is taken of stdout before a process has said too much."""
TAIL = 4096
"""What is kept of the end of stderr."""
_LOOK = 0.05
"""Seconds between two looks at whether a process, whose output somebody else keeps open, has ended."""
_SOON = 0.002
"""The same for one that has closed its output, as it does when it ends."""
_LEFT = 1.0
"""Seconds that are given to output on its way when all of the session is gone."""
_SESSIONS = os.name == "posix"


class PythonProbing:
    """The edge `Probing` for an interpreter of this machine.

    Probes work in an empty folder that is removed afterwards, with temporary files in it. It is their home as well,
    where `variables` name none.
    """

    def __init__(self, python: Path) -> None:
        self._python = python.absolute()

    def run(
        self, script: bytes, variables: Mapping[str, str], told: Callable[[bytes], None], *, patience: float
    ) -> ProbeEnd:
        """Run a script, see `model.edges.Probing`; UnverifiableError (`interpreter-failed`) if it cannot be started."""
        with (
            tempfile.TemporaryDirectory(prefix="envlock-", ignore_cleanup_errors=True) as scratch,
            tempfile.TemporaryFile() as given,  # takes a script of any length without a thread to write it
        ):
            given.write(script)
            given.seek(0)
            try:
                return self._run(given, _at_home(variables, scratch), scratch, told, patience)
            finally:
                _end_those_of(scratch)

    def _run(
        self,
        given: IO[bytes],
        variables: Mapping[str, str],
        folder: str,
        told: Callable[[bytes], None],
        patience: float,
    ) -> ProbeEnd:
        try:
            child = subprocess.Popen(
                [str(self._python), "-s", "-B", "-"],
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=variables,
                cwd=folder,
                start_new_session=_SESSIONS,
            )
        except (OSError, ValueError) as error:
            raise UnverifiableError(
                "interpreter-failed",
                f"The Python that shall run the probes cannot be started: {getattr(error, 'strerror', error)}.",
                where=str(self._python),
                hint="Make the environment again: envlock sync",
            ) from None
        output = _Output(child)
        try:
            in_time = output.hand_on(told, patience)
        finally:
            _end(child)
            status = child.wait()
            output.close()
        return ProbeEnd(status=status if in_time else None, said=output.said)


class _Output:
    """What a child writes: lines of stdout, and the end of stderr. Threads read it, so that nobody waits for a pipe."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        assert child.stderr is not None
        self._child = child
        self._lines: queue.Queue[bytes] = queue.Queue(64)
        self._over = threading.Event()
        self._tail = b""
        self._threads = tuple(
            threading.Thread(target=reads, args=(pipe,), daemon=True)
            for reads, pipe in ((self._read_lines, child.stdout), (self._read_tail, child.stderr))
        )
        for thread in self._threads:
            thread.start()

    def hand_on(self, told: Callable[[bytes], None], patience: float) -> bool:
        """Give each line to `told` until the child has ended; False where none came for `patience` seconds."""
        amount, heard = 0, time.monotonic()
        ended = closed = False
        while not (ended and closed) and amount <= OUTPUT:
            line = b"" if closed else self._next(min(_LOOK, patience))
            if line:
                amount += len(line)
                told(line)
                heard = time.monotonic()
                continue
            if closed:
                time.sleep(_SOON)
            closed = line == b""
            quiet = time.monotonic() - heard
            if not ended and _has_ended(self._child):
                ended, heard = True, time.monotonic()
                _end(self._child)  # what it left in its session, and what keeps the pipe open
            elif quiet > (_LEFT if ended else patience):
                return ended
        return True

    def _next(self, timeout: float) -> bytes | None:
        """Return a line, nothing at the end of output, and None where nothing comes."""
        try:
            return self._lines.get(timeout=timeout)
        except queue.Empty:
            return None

    def close(self) -> None:
        """Let go of the pipes of a child that has ended; a process that left its session may hold one for ever."""
        self._over.set()
        with contextlib.suppress(queue.Empty):
            while True:
                self._lines.get_nowait()
        deadline = time.monotonic() + _LEFT
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    @property
    def said(self) -> str:
        """The last line of stderr."""
        return last_line(self._tail)

    def _read_lines(self, pipe: IO[bytes]) -> None:
        with pipe:
            while line := pipe.readline(LINE):
                if not self._over.is_set():
                    self._lines.put(line)
        if not self._over.is_set():
            self._lines.put(b"")

    def _read_tail(self, pipe: IO[bytes]) -> None:
        with pipe:
            while chunk := os.read(pipe.fileno(), 1 << 16):
                self._tail = (self._tail + chunk)[-TAIL:]


def last_line(tail: bytes) -> str:
    """Return the last line that is not empty."""
    lines = tail.decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _at_home(variables: Mapping[str, str], folder: str) -> dict[str, str]:
    """Return variables with which temporary files are put into a folder, and a user's own files if they name no home.

    Python asks the list of users where HOME is not set, so it cannot just be left out.
    """
    homes = () if "HOME" in variables or "USERPROFILE" in variables else ("HOME", "USERPROFILE")
    return {**variables, **dict.fromkeys(("TMPDIR", "TEMP", "TMP", *homes), folder)}


def _end_those_of(folder: str) -> None:
    """End what left the session of a process and has a folder for its temporary files, which nobody else has."""
    mark = f"TMPDIR={folder}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or is somebody else's
            if mark in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)


def _has_ended(child: subprocess.Popen[bytes]) -> bool:
    """Tell whether a child has ended, without taking its status: until then its number is nobody else's."""
    if not hasattr(os, "waitid"):
        return child.poll() is not None
    return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a child and all of its session."""
    if not _SESSIONS:
        child.kill()
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses where only the zombie is left
        os.killpg(child.pid, signal.SIGKILL)
