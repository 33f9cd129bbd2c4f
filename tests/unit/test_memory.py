"""The cache's memory: who may have written what is recalled."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from envlock.adapters.memory import CacheMemory
from envlock.errors import IntegrityError

KEY = "ab" * 32


def test_kept_bytes_are_recalled(tmp_path: Path) -> None:
    """What was kept comes back, the last one of several, from a file that only its owner reads."""
    memory = CacheMemory(tmp_path / "cache")
    assert memory.recall(KEY) is None
    memory.keep(KEY, b"one")
    memory.keep(KEY, b"two")
    assert memory.recall(KEY) == b"two"
    (path,) = (tmp_path / "cache/stats").iterdir()
    assert (path.name, path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (KEY, 0o600, 0o700)


def test_recalling_counts_as_use(tmp_path: Path) -> None:
    """What is used stays longest when the cache is pruned."""
    memory = CacheMemory(tmp_path)
    memory.keep(KEY, b"one")
    os.utime(tmp_path / "stats" / KEY, (1, 1))
    memory.recall(KEY)
    assert (tmp_path / "stats" / KEY).stat().st_mtime > 1


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_what_others_may_write_is_not_recalled(tmp_path: Path, mode: int) -> None:
    """Bytes that another user could have written are taken for absent."""
    memory = CacheMemory(tmp_path)
    memory.keep(KEY, b"one")
    (tmp_path / "stats" / KEY).chmod(mode)
    assert memory.recall(KEY) is None


def test_another_users_file_is_not_recalled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of somebody else's is taken for absent, whatever its mode."""
    memory = CacheMemory(tmp_path)
    memory.keep(KEY, b"one")
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    assert memory.recall(KEY) is None


def test_links_fifos_and_folders_are_not_recalled(tmp_path: Path) -> None:
    """Only a file of the folder itself is read; a FIFO stops nobody."""
    memory = CacheMemory(tmp_path)
    folder = tmp_path / "stats"
    folder.mkdir()
    (tmp_path / "elsewhere").write_bytes(b"one")
    (folder / KEY).symlink_to(tmp_path / "elsewhere")
    assert memory.recall(KEY) is None
    (folder / KEY).unlink()
    os.mkfifo(folder / KEY, 0o600)
    assert memory.recall(KEY) is None
    (folder / KEY).unlink()
    (folder / KEY).mkdir()
    assert memory.recall(KEY) is None
    memory.keep(KEY, b"two")  # a folder cannot be replaced: nothing happens
    assert [path.name for path in folder.iterdir()] == [KEY]


def test_unwritable_cache_keeps_nothing(tmp_path: Path) -> None:
    """A cache that cannot be made is no error: the next verification reads again."""
    (tmp_path / "file").write_bytes(b"")
    memory = CacheMemory(tmp_path / "file" / "cache")
    memory.keep(KEY, b"one")
    assert memory.recall(KEY) is None


@pytest.mark.parametrize("key", ["", "../x", "ab" * 31, "AB" * 32])
def test_only_digests_are_keys(tmp_path: Path, key: str) -> None:
    """A key that is no digest names no file."""
    with pytest.raises(IntegrityError, match="no key"):
        CacheMemory(tmp_path).recall(key)
