"""Reads the files of a folder tree: sizes by one walk, bytes and digests by several threads."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec

from envlock.model.edges import Task
from envlock.model.observation import File

_CHUNK = 1 << 20
_SMALL = 1 << 18
_THREADS = 8

Keep = Callable[[str, bytes], bool]
"""Given a path and the first bytes of a file: is its content wanted?"""


def walk(root: str) -> Iterator[tuple[str, File]]:
    """Yield (absolute path, file) for everything below `root` that is not a folder; links to folders are not followed.

    A folder that cannot be listed is yielded itself, with its problem.
    """
    pending = [root]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    else:
                        yield entry.path, look(entry.path)
        except OSError as error:
            if folder != root or not isinstance(error, FileNotFoundError):
                yield folder, File(kind="other", size=0, problem=f"the folder cannot be listed: {error.strerror}")


def look(path: str) -> File:
    """Return a file's kind, size and time, its bytes unread."""
    try:
        about = os.lstat(path)
        linked = stat.S_ISLNK(about.st_mode)
        if linked:
            about = os.stat(path)  # noqa: PTH116 - 17,000 times a run, and pathlib is slower
    except OSError as error:
        return File(kind="other", size=0, problem=f"it cannot be read: {error.strerror}")
    if stat.S_ISREG(about.st_mode):
        return File(kind="link" if linked else "file", size=about.st_size, mtime_ns=about.st_mtime_ns)
    kind = "a symbolic link to a folder" if stat.S_ISDIR(about.st_mode) else "neither a file nor a folder"
    return File(kind="other", size=0, problem=f"it is {kind}")


def read(path: str, file: File, keep: Keep, *, digest: bool) -> File:
    """Return the file with its digest, and with its content where `keep` wants it."""
    try:
        # O_NONBLOCK: something may have put a FIFO in its place since it was looked at.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return msgspec.structs.replace(file, problem="it is no longer a file")
            return _read_open(descriptor, path, file, keep, digest)
        finally:
            os.close(descriptor)
    except OSError as error:
        return msgspec.structs.replace(file, problem=f"it cannot be read: {error.strerror}")


def _read_open(descriptor: int, path: str, file: File, keep: Keep, digest: bool) -> File:
    if file.size <= _CHUNK:
        data = os.read(descriptor, _CHUNK + 1)
        wanted = keep(path, data[:2])
        if len(data) == file.size:
            return File(
                kind=file.kind,
                size=file.size,
                mtime_ns=file.mtime_ns,
                sha256=hashlib.sha256(data).hexdigest() if digest else "",
                content=_kept(path, data) if wanted else None,
            )
        os.lseek(descriptor, 0, os.SEEK_SET)
    total, sha256 = 0, hashlib.sha256()
    pieces: list[bytes] | None = None
    while chunk := os.read(descriptor, _CHUNK):
        if total == 0:
            pieces = [] if keep(path, chunk[:2]) and file.size <= CONTENT_LIMIT else None
        total += len(chunk)
        if digest:
            sha256.update(chunk)
        if pieces is not None:
            pieces.append(chunk)
        elif not digest:
            break
        if total > max(file.size * 2, CONTENT_LIMIT):
            return msgspec.structs.replace(file, problem="it grows while it is read")
    return File(
        kind=file.kind,
        size=total if digest else file.size,
        mtime_ns=file.mtime_ns,
        sha256=sha256.hexdigest() if digest else "",
        content=None if pieces is None else _kept(path, b"".join(pieces)),
    )


CONTENT_LIMIT = 1 << 26
"""Content is kept of files up to this size: the largest RECORD seen has 2 MiB."""


def _kept(path: str, data: bytes) -> bytes:
    return data[:16] if path.endswith(".pyc") else data


def read_all(files: dict[str, File], paths: Iterable[str], keep: Keep, *, digest: bool, progress: Task) -> None:
    """Read many files by threads, the big ones first, and put the results into `files`."""
    ordered = sorted((p for p in paths if not files[p].problem), key=lambda path: -files[path].size)
    big = [p for p in ordered if files[p].size > _SMALL]
    groups = [*([p] for p in big), *(ordered[at : at + 64] for at in range(len(big), len(ordered), 64))]

    def work(group: list[str]) -> list[tuple[str, File]]:
        done = [(path, read(path, files[path], keep, digest=digest)) for path in group]
        progress.advance(sum(file.size for _, file in done))
        return done

    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        for results in pool.map(work, groups):
            files.update(results)
