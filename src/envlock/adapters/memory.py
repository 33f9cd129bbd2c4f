"""Keeps what verifications found out in the cache, where nobody but its owner can have written it."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tempfile
from pathlib import Path

from envlock.errors import IntegrityError

_KEY = re.compile(r"[0-9a-f]{64}")
_LIMIT = 1 << 30
"""Bytes: what is known of a million files takes a tenth of that."""


class CacheMemory:
    """Files ``stats/<key>`` of a cache folder, each of mode 0600 and replaced as a whole.

    A file that belongs to another user, or that others may write, is taken for absent.
    """

    def __init__(self, root: Path) -> None:
        self._folder = root / "stats"

    def recall(self, key: str) -> bytes | None:
        """Return what was kept under a key, or None; it counts as used."""
        path = self._path(key)
        try:
            with open(path, "rb", buffering=0, opener=_open) as file:
                about = os.fstat(file.fileno())
                if not _is_own(about) or about.st_size > _LIMIT:
                    return None
                with contextlib.suppress(OSError):
                    os.utime(path)
                return file.readall()
        except OSError:
            return None

    def keep(self, key: str, *raw: bytes) -> None:
        """Keep bytes, given in pieces, under a key. A cache that cannot be written keeps nothing."""
        path = self._path(key)
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=f".{key}.", dir=self._folder)  # of mode 0600
            part = Path(name)
            try:
                with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
                    file.writelines(raw)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise IntegrityError("bad-cache-key", "Something was to be remembered by what is no key.", found=key)
        return self._folder / key


def _open(path: str, flags: int) -> int:
    """Open without following a link, or waiting for the writer of a FIFO."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))


def _is_own(about: os.stat_result) -> bool:
    if not stat.S_ISREG(about.st_mode):
        return False
    return os.name != "posix" or (about.st_uid == os.geteuid() and not about.st_mode & 0o022)
