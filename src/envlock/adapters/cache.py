"""The cache of files known by their sha256, verified whenever they are used."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

from envlock.errors import IntegrityError, UsageError

_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r"[a-z]+-[0-9a-f]{64}")


class Cache:
    """Artifacts under ``files/<sha256>/<name>``; other folders hold layers and unpacked roots.

    Several processes may share it: what is written arrives by a rename, and who makes something holds its lock.
    """

    def __init__(self, root: Path | None = None) -> None:
        import platformdirs

        self.root = root or Path(os.environ.get("ENVLOCK_CACHE_DIR") or platformdirs.user_cache_dir("envlock"))
        self._verified: set[tuple[str, int, int, int]] = set()
        self._guard = threading.Lock()

    def folder(self, name: str) -> Path:
        """Return a folder of the cache, made if need be; UsageError (`no-cache`) where it cannot be."""
        path = self.root / name
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(error) from None
        return path

    def place(self, sha256: str, name: str) -> Path:
        """Return where a file belongs, its folder made."""
        path = self._path(sha256, name)
        self.folder(f"files/{sha256}")
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
        try:
            state = path.stat()
        except OSError:
            return None
        key = (str(path), state.st_ino, state.st_ctime_ns, state.st_size)
        if key in self._verified:
            return path
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != sha256:
            path.unlink(missing_ok=True)
            return None
        with self._guard:
            self._verified.add(key)
        return path

    def put(self, source: Path, sha256: str, name: str) -> Path:
        """Copy a file that has this digest into the cache and return its place there."""
        import shutil

        path = self.place(sha256, name)
        part = path.with_name(f".{name}.{os.getpid()}.{threading.get_ident()}.part")
        try:
            shutil.copyfile(source, part)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return path

    @contextlib.contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Hold the lock of one key against other processes and threads."""
        import filelock

        if not _KEY.fullmatch(key):
            raise IntegrityError("bad-cache-key", "A lock was asked for by what is no key.", found=key)
        lock = filelock.FileLock(self.folder("locks") / f"{key}.lock")
        try:
            lock.acquire()
        except OSError as error:
            raise self._unusable(error) from None
        try:
            yield
        finally:
            lock.release()

    def _unusable(self, error: OSError) -> UsageError:
        return UsageError(
            "no-cache",
            f"The cache cannot be written: {error.strerror}.",
            where=str(self.root),
            hint="Set ENVLOCK_CACHE_DIR to a folder that can be written.",
        )
