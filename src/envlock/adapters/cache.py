"""The cache of files known by their sha256, verified whenever they are used."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from envlock.errors import UsageError


class Cache:
    """Artifacts under ``files/<sha256>/<name>``; other folders hold layers and unpacked roots.

    Several processes may share it: what is written arrives by a rename, and who makes something holds its lock.
    """

    def __init__(self, root: Path | None = None) -> None:
        import platformdirs

        self.root = root or Path(os.environ.get("ENVLOCK_CACHE_DIR") or platformdirs.user_cache_dir("envlock"))
        self._verified: set[tuple[str, int, int]] = set()
        self._guard = threading.Lock()

    def folder(self, name: str) -> Path:
        """Return a folder of the cache, made if need be; UsageError (`no-cache`) where it cannot be."""
        path = self.root / name
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                "no-cache",
                f"The cache folder cannot be made: {error.strerror}.",
                where=str(path),
                hint="Set ENVLOCK_CACHE_DIR to a folder that can be written.",
            ) from None
        return path

    def place(self, sha256: str, name: str) -> Path:
        """Return where a file belongs, its folder made."""
        return self.folder(f"files/{sha256}") / name

    def get(self, sha256: str, name: str) -> Path | None:
        """Return a file that is there and has its digest; one that has not is removed."""
        path = self.root / "files" / sha256 / name
        try:
            state = path.stat()
        except OSError:
            return None
        key = (sha256, state.st_mtime_ns, state.st_size)
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
        """Move or copy a file that has this digest into the cache and return its place there."""
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

        with filelock.FileLock(self.folder("locks") / f"{key}.lock"):
            yield
