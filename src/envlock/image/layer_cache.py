"""Finished layers by their key: a blob and what is known of it, hashed again whenever it is used."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

from envlock.errors import UsageError
from envlock.formats.beside import beside
from envlock.formats.exclusive import held_if_free
from envlock.formats.sha256 import file_sha256
from envlock.image.layer import Layer
from envlock.model import records
from envlock.model.edges import Task

_POLL_S = 0.2


class LayerCache:
    """Layers under ``<root>/<key>/``: `blob` and `layer.json`. Several processes and threads may share it.

    A folder's mtime says when its layer was used last.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def blob(self, key: str) -> Path:
        """Return where the blob of a key stands, or will stand."""
        return self._root / key / "blob"

    def known(self, key: str) -> Layer | None:
        """Return what the cache says of a key, unchecked; None where it has nothing or nothing readable."""
        try:
            return records.from_json((self._root / key / "layer.json").read_bytes(), Layer)
        except (OSError, msgspec.DecodeError):
            return None

    def has(self, key: str) -> bool:
        """Tell whether a finished layer was kept under a key; what an interrupted build left does not count."""
        return (self._root / key / "layer.json").exists()

    def is_whole(self, key: str, layer: Layer) -> bool:
        """Hash the blob, and stamp it as used now; to be asked by who holds the key."""
        try:
            os.utime(self._root / key)
            return f"sha256:{file_sha256(self.blob(key))}" == layer.digest
        except OSError:
            return False

    def keep(self, key: str, layer: Layer) -> None:
        """Note what was written to `blob(key)`; UsageError (`write-failed`)."""
        try:
            beside(self._root / key / "layer.json", lambda part: part.write_bytes(msgspec.json.encode(layer)))
        except OSError as error:
            raise UsageError(
                "write-failed", f"{self._root / key} cannot be written.", found=error.strerror or str(error)
            ) from error

    def drop(self, key: str) -> None:
        """Remove what is under a key, first what says that there is anything."""
        (self._root / key / "layer.json").unlink(missing_ok=True)
        shutil.rmtree(self._root / key, ignore_errors=True)

    def held_if_free(self, key: str) -> AbstractContextManager[bool]:
        """Hold a key if nobody else does; tells whether it is held."""
        return held_if_free(self._root / f"{key}.lock")

    @contextlib.contextmanager
    def held(self, key: str, task: Task) -> Iterator[None]:
        """Keep other processes and threads from making the same layer; `task` may end the wait by raising."""
        from filelock import FileLock, Timeout

        try:
            self._root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                "write-failed",
                f"{self._root} cannot be written.",
                found=error.strerror or str(error),
                hint="Set ENVLOCK_CACHE_DIR to a folder that can be written.",
            ) from error
        lock = FileLock(self._root / f"{key}.lock")
        while True:
            try:
                lock.acquire(timeout=_POLL_S)
                break
            except Timeout:
                task.advance(0)
        try:
            yield
        finally:
            lock.release()
