"""The cache verifies what it gives, and goes nowhere else."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from envlock.adapters.cache import Cache
from envlock.errors import IntegrityError, UsageError

RAW = b"artifact"
SHA256 = hashlib.sha256(RAW).hexdigest()


def filled(folder: Path) -> Cache:
    cache = Cache(folder / "cache")
    source = folder / "source"
    source.write_bytes(RAW)
    cache.put(source, SHA256, "file")
    return cache


def test_what_was_put_is_there(tmp_path: Path) -> None:
    """A file comes back under its digest and name."""
    path = filled(tmp_path).get(SHA256, "file")
    assert path is not None
    assert path.read_bytes() == RAW
    assert Cache(tmp_path / "cache").get(SHA256, "other") is None


@pytest.mark.parametrize("replaced", [b"tampered", b"short"])
def test_altered_file_is_dropped(tmp_path: Path, replaced: bytes) -> None:
    """A file that lost its digest is gone, also when it was verified before and its time is set back."""
    cache = filled(tmp_path)
    path = cache.get(SHA256, "file")
    assert path is not None
    times = path.stat()
    path.write_bytes(replaced)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert cache.get(SHA256, "file") is None
    assert not path.exists()


@pytest.mark.parametrize(
    ("sha256", "name"),
    [("../../victim", "notes.txt"), (SHA256, "../notes.txt"), (SHA256, ".."), (SHA256[:-1], "x"), (SHA256, "a/b")],
)
def test_climbing_keys_are_refused(tmp_path: Path, sha256: str, name: str) -> None:
    """Nothing outside is read, made or removed, whatever a lock asks for."""
    victim = tmp_path / "victim" / "notes.txt"
    victim.parent.mkdir()
    victim.write_text("precious")
    cache = Cache(tmp_path / "cache" / "deep")
    for use in (cache.get, cache.place):
        with pytest.raises(IntegrityError):
            use(sha256, name)
    with pytest.raises(IntegrityError), cache.lock("file-../../victim"):
        pass
    assert victim.read_text() == "precious"


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """The way out is named."""
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(UsageError, match="cannot be written") as caught:
        Cache(tmp_path / "cache").folder("files")
    assert "ENVLOCK_CACHE_DIR" in caught.value.hint


def test_other_bytes_are_not_put(tmp_path: Path) -> None:
    """A file that a folder or an environment gives under another file's sha256 does not reach the cache."""
    cache = filled(tmp_path)
    (tmp_path / "source").write_bytes(b"other")
    with pytest.raises(IntegrityError, match="not-the-file"):
        cache.put(tmp_path / "source", SHA256, "another")
    assert cache.get(SHA256, "another") is None
    assert [path.name for path in (tmp_path / "cache" / "files" / SHA256).iterdir()] == ["file"]
