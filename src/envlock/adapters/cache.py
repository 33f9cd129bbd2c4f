"""The cache of files known by their sha256, verified whenever they are used."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

from envlock.errors import IntegrityError, UsageError
from envlock.formats.beside import beside
from envlock.formats.sha256 import file_sha256

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
        if file_sha256(path) != sha256:
            path.unlink(missing_ok=True)
            return None
        with self._guard:
            self._verified.add(key)
        return path

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
