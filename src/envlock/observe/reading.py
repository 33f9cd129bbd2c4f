"""Reads and hashes files by several threads, the big ones from the moment that they are known."""

from __future__ import annotations

import hashlib
import mmap
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Container, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

from msgspec.structs import replace

from envlock.model.edges import Task
from envlock.model.observation import File
from envlock.observe.stat_cache import StatCache
from envlock.observe.tree import described

CONTENT_LIMIT = 1 << 26
"""Content is kept of files up to this size: the largest RECORD seen has 2 MiB."""
BIG = 1 << 22
"""Files from this size on are worth a task of their own, and a start before all others are known."""
_HEAD = 16
"""Bytes that are kept of a .pyc: the header of PEP 552."""
_BUFFERS = 1 << 25
_BUFFER = 1 << 24
"""Bytes of all buffers together, and the most that a thread reads at a time. Between two pieces it has to wait for the
interpreter lock: hence few of them."""
_GROUP = 64
_TRIES = 3
_THREADS = 8
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""O_NONBLOCK: something may have put a FIFO in a file's place since it was looked at."""

Keep = Callable[[str, bytes], bool]
"""Given a path and the first bytes of a file: is its content wanted?"""
_Results = Future[list[tuple[str, File]]]


class Reading:
    """Threads that read files, while whoever began them still looks for more.

    Args:
        cache: digests of earlier readings; what is read goes there too.
    """

    def __init__(self, cache: StatCache) -> None:
        self._cache = cache
        self._begun: dict[str, _Results] = {}
        self._abandoned: set[str] = set()
        self._local = threading.local()
        threads = min(_THREADS, _processors())
        self._size = min(_BUFFER, _BUFFERS // threads)
        self._pool = ThreadPoolExecutor(threads)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._abandoned.update(self._begun)  # those that somebody waited for are done
        self._pool.shutdown(cancel_futures=True)

    def begin(self, path: str, file: File) -> None:
        """Start to hash a big file, unless its digest is known."""
        if path not in self._begun and file.size >= BIG and self._cache.recall(path, file) is None:
            self._begun[path] = self._pool.submit(self._read_all, [(path, file)], _keep_nothing)

    def finish(self, files: dict[str, File], paths: Iterable[str], keep: Keep, progress: Task) -> None:
        """Hash the files at `paths`, the big ones first, and put the results into `files`.

        What was begun and is not among them is abandoned. Files whose content `keep` wants are read even where their
        digest is known. `progress` is told of bytes, from every thread; what it raises ends the reading.
        """
        wanted = [path for path in paths if not files[path].problem]
        self._abandoned.update(self._begun.keys() - wanted)
        pending: list[tuple[str, File]] = []
        begun: list[_Results] = []
        known = 0
        for path in wanted:
            file = files[path]
            fresh = keep(path, b"#!") and not _is_bytecode(path)
            if not fresh and path in self._begun:
                begun.append(self._begun[path])
            elif not fresh and (recalled := self._cache.recall(path, file)) is not None:
                files[path] = recalled
                known += file.size
            else:
                pending.append((path, file))
        progress.advance(known)
        pending.sort(key=lambda item: -item[1].size)
        big = sum(file.size >= BIG for _, file in pending)
        groups = [[item] for item in pending[:big]]
        groups += [pending[at : at + _GROUP] for at in range(big, len(pending), _GROUP)]
        reading = deque(self._pool.submit(self._read_all, group, keep, progress) for group in groups)
        del pending, groups  # so that what was looked at goes as what was read comes: there may be 100,000 of them
        while reading:
            files.update(reading.popleft().result())
        for future in begun:
            results = future.result()
            files.update(results)
            progress.advance(sum(file.size for _, file in results))

    def _read_all(
        self, group: Iterable[tuple[str, File]], keep: Keep, progress: Task | None = None
    ) -> list[tuple[str, File]]:
        buffer = getattr(self._local, "buffer", None)
        if buffer is None:
            buffer = self._local.buffer = _buffer(self._size)
        done = []
        for path, file in group:
            began = time.time_ns()
            found = read(path, file, keep, digest=True, buffer=buffer, abandoned=self._abandoned)
            self._cache.learn(path, found, began)
            done.append((path, found))
            if progress is not None:
                progress.advance(file.size)
        return done


def read_metadata(files: dict[str, File], paths: Iterable[str], keep: Keep, *, digest: bool) -> None:
    """Read small files one after another, and put the results into `files`."""
    buffer = _buffer(_BUFFER)
    for path in paths:
        if not files[path].problem:
            files[path] = read(path, files[path], keep, digest=digest, buffer=buffer)


def read(
    path: str,
    file: File,
    keep: Keep,
    *,
    digest: bool,
    buffer: memoryview,
    abandoned: Container[str] = (),
) -> File:
    """Return a file as it is now with its digest, and with its content where `keep` wants it.

    A file that is written meanwhile is read again, and has a problem where that does not end.

    Args:
        buffer: to read into, reused.
        abandoned: paths that nobody waits for any more; they get no digest.
    """
    try:
        descriptor = os.open(path, _FLAGS)
        try:
            for _ in range(_TRIES):
                before = os.fstat(descriptor)
                now = described(before, linked=file.kind == "link")
                if now.problem:
                    return replace(file, problem="it is no longer a file")
                found = _read_open(descriptor, path, now, keep, digest, buffer, abandoned)
                if found.problem or not _is_changed(before, os.fstat(descriptor)):
                    return found
                os.lseek(descriptor, 0, os.SEEK_SET)
            return replace(file, problem="it cannot be read: it changes meanwhile")
        finally:
            os.close(descriptor)
    except OSError as error:
        return replace(file, problem=f"it cannot be read: {error.strerror}")


def _read_open(
    descriptor: int,
    path: str,
    file: File,
    keep: Keep,
    digest: bool,
    buffer: memoryview,
    abandoned: Container[str],
) -> File:
    sha256 = hashlib.sha256()
    pieces: list[bytes] | None = None
    total = 0
    while count := _fill(buffer, descriptor):
        piece = buffer[:count]
        if total == 0:
            pieces = [] if file.size <= CONTENT_LIMIT and keep(path, bytes(piece[:2])) else None
        total += count
        if digest:
            sha256.update(piece)
        if pieces is not None:
            pieces.append(bytes(piece))
        elif not digest:
            break
        if total > max(file.size * 2, CONTENT_LIMIT):
            return replace(file, problem="it grows while it is read")
        if total >= file.size and count < len(buffer):
            break  # nothing more would come: a file that has grown since is noticed by its size
        if path in abandoned:
            return file
    content = None
    if pieces is not None or (total == 0 and keep(path, b"")):
        content = b"".join(pieces or ())
    return replace(
        file,
        size=total if digest else file.size,
        sha256=sha256.hexdigest() if digest else "",
        content=content[:_HEAD] if content is not None and _is_bytecode(path) else content,
    )


def _is_changed(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns, before.st_ctime_ns) != (
        after.st_size,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )


def _fill(buffer: memoryview, descriptor: int) -> int:
    """Read what fits, and return how many bytes that were."""
    if hasattr(os, "readv"):
        return os.readv(descriptor, [buffer])
    data = os.read(descriptor, len(buffer))  # Windows
    buffer[: len(data)] = data
    return len(data)


def _buffer(size: int) -> memoryview:
    """Return memory to read into: anonymous pages, of which small files touch few."""
    return memoryview(mmap.mmap(-1, size))


def _keep_nothing(path: str, start: bytes) -> bool:  # noqa: ARG001
    return False


def _is_bytecode(path: str) -> bool:
    return path.endswith(".pyc")


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
