"""The cache of files known by their sha256, verified whenever they are used, and kept while a process may need them."""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from envlock.errors import IntegrityError, UsageError
from envlock.formats.beside import beside
from envlock.formats.exclusive import held_if_free
from envlock.formats.sha256 import file_sha256

if TYPE_CHECKING:
    from filelock import BaseFileLock as FileLock

_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r"[a-z]+-[0-9a-f]{64}")
_POLL_S = 0.005


class Cache:
    """Artifacts under ``files/<sha256>/<name>``; other folders hold layers and unpacked roots.

    Several processes may share it: what is written arrives by a rename, and who makes something holds its lock. Each
    holds a lease from its first use of the cache to its end, and stamps what it uses with the time (mtime of a file's
    folder): what was used since the oldest lease began is nobody's to remove (`operations.cache`).
    """

    def __init__(self, root: Path | None = None) -> None:
        import platformdirs

        self.root = root or Path(os.environ.get("ENVLOCK_CACHE_DIR") or platformdirs.user_cache_dir("envlock"))
        self._verified: set[tuple[str, int, int, int]] = set()
        self._stamped: set[Path] = set()
        self._guard = threading.Lock()
        self._lease: Path | None = None

    def folder(self, name: str) -> Path:
        """Return a folder of the cache, made if need be; UsageError (`no-cache`) where it cannot be."""
        self._begin()
        path = self.root / name
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(error) from None
        return path

    def place(self, sha256: str, name: str) -> Path:
        """Return where a file belongs, its folder made."""
        path = self._path(sha256, name)
        with self.gate():
            self._stamp(self.folder(f"files/{sha256}"))
        return path

    def _path(self, sha256: str, name: str) -> Path:
        """Return the place of a file; IntegrityError for what is no digest or no file name, whoever says so."""
        if not _SHA256.fullmatch(sha256) or name in ("", ".", "..") or "/" in name or "\0" in name:
            raise IntegrityError(
                "bad-cache-key", "A file was asked for by what is no sha256 or no file name.", found=name
            )
        return self.root / "files" / sha256 / name

    def get(self, sha256: str, name: str) -> Path | None:
        """Return a file that is there and has its digest; one that has not is removed."""
        path = self._path(sha256, name)
        if not path.exists():
            return None
        self._stamp_once(path.parent)
        try:
            state = path.stat()
        except OSError:
            return None
        key = (str(path), state.st_ino, state.st_ctime_ns, state.st_size)
        if key in self._verified:
            return path
        if file_sha256(path) != sha256:
            path.unlink(missing_ok=True)
            return None
        with self._guard:
            self._verified.add(key)
        return path

    def unverified(self, sha256: str, name: str) -> Path | None:
        """Return a file that is there, not hashed."""
        path = self._path(sha256, name)
        if path.is_file():
            self._stamp_once(path.parent)
        return path if path.is_file() else None

    def put(self, source: Path, sha256: str, name: str) -> Path:
        """Copy a file into the cache and return its place there; IntegrityError (`not-the-file`) for other bytes."""
        path = self.place(sha256, name)

        def fill(part: Path) -> None:
            shutil.copyfile(source, part)
            found = file_sha256(part)
            if found != sha256:
                raise IntegrityError(
                    "not-the-file",
                    "A file does not have the sha256 that it is known by.",
                    where=name,
                    expected=f"sha256 {sha256}",
                    found=f"sha256 {found}",
                    hint="Put the right file in its place, or lock again.",
                )

        beside(path, fill)
        return path

    @contextlib.contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Hold the lock of one key against other processes and threads."""
        import filelock

        lock = filelock.FileLock(self._lock_path(key))
        try:
            lock.acquire()
        except OSError as error:
            raise self._unusable(error) from None
        try:
            yield
        finally:
            lock.release()

    def lock_if_free(self, key: str) -> AbstractContextManager[bool]:
        """Hold the lock of one key if nobody else does; tells whether it is held."""
        return held_if_free(self._lock_path(key))

    @contextlib.contextmanager
    def gate(self) -> Iterator[None]:
        """Pass the gate that files are stamped and removed behind, one at a time; UsageError (`no-cache`)."""
        import filelock

        with self._guard:
            gate = filelock.FileLock(self.folder("locks") / "gate.lock")
            try:
                gate.acquire(poll_interval=_POLL_S)
            except OSError as error:
                raise self._unusable(error) from None
            try:
                yield
            finally:
                gate.release()

    def in_use_since(self) -> float:
        """Return when the process that uses the cache longest began, this one among them (seconds, as st_mtime).

        The leases of processes that have ended are cleared away.
        """
        import filelock

        self._begin()
        if self._lease is None:
            return 0.0
        began = self._lease.stat().st_mtime
        for other in self._lease.parent.glob("*.lease"):
            if other == self._lease:
                continue
            lock = filelock.FileLock(other)
            try:
                since = other.stat().st_mtime
                lock.acquire(timeout=0)
            except filelock.Timeout:
                began = min(began, since)
                continue
            except OSError:
                continue
            with contextlib.suppress(OSError):  # Windows removes no file that is open
                other.unlink()
            lock.release()
        return began

    def _lock_path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise IntegrityError("bad-cache-key", "A lock was asked for by what is no key.", found=key)
        return self.folder("locks") / f"{key}.lock"

    def _begin(self) -> None:
        """Take this process's lease; a cache that cannot be written needs none, since nothing is removed from it."""
        if self._lease is not None:
            return
        import filelock

        lease = self.root / "locks" / f"{secrets.token_hex(8)}.lease"
        with contextlib.suppress(OSError):
            lease.parent.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(lease, thread_local=False)
            lock.acquire()
            while not lease.exists():  # who looked for leases of the dead found it before it was locked
                lock.release()
                lock.acquire()
            self._lease = lease
            atexit.register(_end, lock, lease)

    def _stamp_once(self, folder: Path) -> None:
        """Stamp a folder, unless this process has; whether it still is there has to be looked at afterwards."""
        if folder not in self._stamped:
            with contextlib.suppress(UsageError), self.gate():
                self._stamp(folder)

    def _stamp(self, folder: Path) -> None:
        with contextlib.suppress(OSError):  # it is gone, or another user's
            os.utime(folder)
            self._stamped.add(folder)

    def _unusable(self, error: OSError) -> UsageError:
        return UsageError(
            "no-cache",
            f"The cache cannot be written: {error.strerror}.",
            where=str(self.root),
            hint="Set ENVLOCK_CACHE_DIR to a folder that can be written.",
        )


def _end(lock: FileLock, lease: Path) -> None:
    lock.release()
    with contextlib.suppress(OSError):
        lease.unlink()
