"""The compiler of model.edges: Python sources to .pyc by the interpreter of a root, the same bytes on every machine."""

from __future__ import annotations

import functools
import importlib.resources
import os
import posixpath
import select
import signal
import struct
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Self

from envlock.errors import EnvlockError, UsageError
from envlock.model.edges import Process, Sandbox

FLAGS = ("-S", "-B", "-W", "ignore", "-X", "utf8")
"""No site, no bytecode written, no warnings. Not -I, which would ignore PYTHONHASHSEED."""
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0"}
_HEAD = struct.Struct("<II")
_CHUNK = 1 << 16
_TAIL = 2000
_LONGEST = 1 << 28
"""Bytes of one answer: the largest modules are data, of some ten MB."""
_NO_LENGTH = 0xFFFFFFFF
_BATCH_DONE = "\0"
"""Stands for a path where a batch is complete: no path holds it."""


@functools.cache
def _script() -> str:
    return importlib.resources.files("envlock").joinpath("data/in_root/compile_sources.py").read_text("utf-8")


class RootCompiler:
    """Compiles with one interpreter of one root (CPython 3.7 or later), see `data/in_root/compile_sources.py`.

    A context manager: leaving it ends the interpreters. `compile` may be called from several threads; each call has an
    interpreter to itself meanwhile, and a process of its own in it.

    Args:
        sandbox: runs the interpreter.
        root: an unpacked root that holds the interpreter and its standard library.
        interpreter: absolute path inside the root.
    """

    def __init__(self, sandbox: Sandbox, root: Path, interpreter: str) -> None:
        self._sandbox = sandbox
        self._root = root
        self._interpreter = interpreter
        self._idle: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        while self._idle:
            _release(self._idle.pop())

    def compile(self, sources: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
        """Take (absolute path in the image, source), yield (absolute path of the .pyc, its bytes) in the same order.

        The .pyc files are unchecked-hash ones (PEP 552), not optimised. Sources that do not compile are left out.
        `sources` is advanced as the interpreter takes more, so that little is held. Raises UsageError
        (`compiler-crashed`), which names the file, and UnverifiableError where the sandbox does.
        """
        process = self._ready()
        waiting: deque[str] = deque()
        complaints = bytearray()
        done = False
        try:
            for path, pyc in _responses(_converse(process, _requests(sources, waiting), complaints)):
                if path == _BATCH_DONE:
                    done = True
                    break
                if not waiting or not _is_beside(path, waiting.popleft()):
                    raise self._crash(path, 0, bytearray(b"it answered what it was not asked"))
                if path:
                    yield path, pyc
            if waiting or not done:
                raise self._crash(waiting[0] if waiting else "", process.wait(), complaints)
            self._idle.append(process)
        except BaseException:
            _release(process)
            raise

    def _ready(self) -> Process:
        try:
            return self._idle.pop()
        except IndexError:
            argv = [self._interpreter, *FLAGS, "-c", _script()]
            return self._sandbox.start(self._root, argv, environment=ENVIRONMENT)

    def _crash(self, path: str, status: int, complaints: bytearray) -> EnvlockError:
        ended = f"exit status {status}"
        if status > 128:
            ended = f"signal {status - 128} ({signal.strsignal(status - 128)})"
        said = complaints.decode("utf-8", "replace").strip()
        return UsageError(
            "compiler-crashed",
            f"{self._interpreter} of the image ended while it compiled{f' {path}' if path else ''}.",
            where=path or str(self._root),
            found=f"{ended}\n{said}" if said else ended,
            hint="Set `bytecode = false` in the environment's [image] to build without compiled modules.",
        )


def _requests(sources: Iterable[tuple[str, bytes]], waiting: deque[str]) -> Iterator[bytes]:
    yield b"\1"
    for path, source in sources:
        waiting.append(path)
        name = path.encode()
        yield b"".join((_HEAD.pack(len(name), len(source)), name, source))
    yield _HEAD.pack(0, 0)


def _converse(process: Process, requests: Iterator[bytes], complaints: bytearray) -> Iterator[bytes]:
    """Write requests as fast as they are read, yield what is answered, keep the end of what is complained of.

    One thread: each pipe is served when it is ready, so that neither side can block the other.
    """
    stdin, stdout, stderr = (_unblocked(pipe) for pipe in (process.stdin, process.stdout, process.stderr))
    poll = select.poll()
    poll.register(stdin, select.POLLOUT)
    poll.register(stdout, select.POLLIN)
    poll.register(stderr, select.POLLIN)
    outgoing = memoryview(b"")
    reading = {stdout, stderr}
    while reading:
        for descriptor, _ in poll.poll():
            if descriptor == stdin:
                try:
                    outgoing = outgoing or memoryview(next(requests))
                    outgoing = outgoing[os.write(stdin, outgoing) :]
                except (StopIteration, BrokenPipeError):
                    poll.unregister(stdin)
            elif not (chunk := os.read(descriptor, _CHUNK)):
                poll.unregister(descriptor)
                reading.remove(descriptor)
            elif descriptor == stdout:
                yield chunk
            else:
                complaints += chunk
                del complaints[:-_TAIL]


def _unblocked(pipe: IO[bytes] | None) -> int:
    assert pipe is not None
    os.set_blocking(pipe.fileno(), False)
    return pipe.fileno()


def _responses(chunks: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield (path, .pyc) as they are complete; the path is empty for a source that does not compile.

    The last one, where the batch was completed, is `_BATCH_DONE`.
    """
    received = bytearray()
    for chunk in chunks:
        received += chunk
        while len(received) >= _HEAD.size:
            name, size = _HEAD.unpack_from(received)
            if name == _NO_LENGTH:
                yield _BATCH_DONE, b""
                return
            end = _HEAD.size + name + size
            if end > _LONGEST:
                raise UsageError(
                    "compiler-crashed",
                    "The interpreter of the image answered what is no bytecode.",
                    found=f"{end} bytes",
                    hint="Set `bytecode = false` in the environment's [image] to build without compiled modules.",
                )
            if len(received) < end:
                break
            path = received[_HEAD.size : _HEAD.size + name].decode("utf-8", "replace")
            yield path, bytes(received[_HEAD.size + name : end])
            del received[:end]


def _is_beside(pyc: str, source: str) -> bool:
    """Tell whether bytecode goes where that of a source belongs (PEP 3147), or is none."""
    folder, name = posixpath.split(source.lstrip("/"))
    pyc = pyc.lstrip("/")  # at the top, importlib leaves it out
    start = posixpath.join(folder, "__pycache__", f"{name.removesuffix('.py')}.")
    return not pyc or (pyc.startswith(start) and pyc.endswith(".pyc") and "/" not in pyc[len(start) :])


def _release(process: Process) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
