"""Reading and hashing: files that change, grow or turn into something else meanwhile."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from envlock.model.observation import File
from envlock.observe import reading
from envlock.observe.reading import Reading, read
from envlock.observe.stat_cache import StatCache
from envlock.observe.tree import look, walk


class Counter:
    """Progress that counts."""

    def __init__(self) -> None:
        self.amount = 0

    def advance(self, amount: int = 1) -> None:
        """Count."""
        self.amount += amount


def read_one(path: Path, keep: reading.Keep = lambda path, start: False, *, buffer: int = 64) -> File:
    """Read one file in pieces of a few bytes."""
    return read(str(path), look(str(path)), keep, digest=True, buffer=memoryview(bytearray(buffer)))


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 128, 1000])
def test_digest_and_content_in_pieces(tmp_path: Path, size: int) -> None:
    """However many pieces a file takes, its digest and content are the whole file's."""
    data = os.urandom(size)
    (tmp_path / "a").write_bytes(data)
    found = read_one(tmp_path / "a", lambda path, start: start == data[:2])
    assert (found.sha256, found.content, found.size) == (hashlib.sha256(data).hexdigest(), data, size)


def test_content_of_bytecode_is_its_header(tmp_path: Path) -> None:
    """Of a .pyc no more is kept than rules look at."""
    (tmp_path / "a.pyc").write_bytes(bytes(range(100)))
    assert read_one(tmp_path / "a.pyc", lambda path, start: True).content == bytes(range(16))


def test_file_written_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    """The digest is that of one state of the file, never of a mixture."""
    path = tmp_path / "a"
    path.write_bytes(b"old" * 100)
    edits = [b"new" * 100]

    def edit(_path: str, _start: bytes) -> bool:
        while edits and path.stat().st_ctime_ns == before.ctime_ns:
            path.write_bytes(edits[-1])
        edits.clear()
        return False

    before = look(str(path))
    found = read_one(path, edit)
    assert (found.sha256, found.problem) == (hashlib.sha256(b"new" * 100).hexdigest(), "")
    assert found.ctime_ns == path.stat().st_ctime_ns


def test_file_that_never_rests_has_a_problem(tmp_path: Path) -> None:
    """A file that is written each time it is read has no digest, and says so."""
    path = tmp_path / "a"
    path.write_bytes(b"x" * 100)
    sizes = iter(range(101, 200))

    found = read_one(path, lambda _path, _start: bool(path.write_bytes(b"x" * next(sizes))))
    assert (found.sha256, found.problem) == ("", "it cannot be read: it changes meanwhile")
    assert found.unreadable


def test_file_that_turned_into_a_fifo(tmp_path: Path) -> None:
    """A FIFO that took a file's place is told at once; nobody waits for a writer."""
    path = tmp_path / "a"
    path.write_bytes(b"x")
    seen = look(str(path))
    path.unlink()
    os.mkfifo(path)
    found = read(str(path), seen, lambda path, start: True, digest=True, buffer=memoryview(bytearray(9)))
    assert found.problem == "it is no longer a file"


def test_big_files_are_begun_before_the_others_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was begun early is in the result like all others; what nobody wants in the end is not."""
    monkeypatch.setattr(reading, "BIG", 100)
    for name in ("big", "unwanted", "script", "small"):
        (tmp_path / name).write_bytes(b"#!" + name.encode() * (1 if name == "small" else 50))
    files = dict(walk(str(tmp_path)))
    progress = Counter()
    with Reading(StatCache()) as pool:
        for path, file in files.items():
            pool.begin(path, file)
        wanted = [path for path in files if not path.endswith("unwanted")]
        pool.finish(files, wanted, lambda path, start: path.endswith("script") and start == b"#!", progress)
    for path in wanted:
        assert files[path].sha256 == hashlib.sha256(Path(path).read_bytes()).hexdigest()
        assert files[path].content == (Path(path).read_bytes() if path.endswith("script") else None)
    assert files[str(tmp_path / "unwanted")].sha256 == ""
    assert progress.amount == sum(files[path].size for path in wanted)


def test_recalled_files_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A digest that is known costs no reading, except where the content is wanted."""
    for name in ("a.py", "script"):
        (tmp_path / name).write_bytes(b"#!x")
    files = dict(walk(str(tmp_path)))
    cache = StatCache()
    for path, file in files.items():
        cache.learn(path, replace(file, sha256="ab" * 32), file.ctime_ns + 10**10)
    with Reading(StatCache.parse(cache.dump())) as pool:
        pool.finish(files, list(files), lambda path, start: path.endswith("script"), Counter())
    assert files[str(tmp_path / "a.py")].sha256 == "ab" * 32
    assert files[str(tmp_path / "script")].sha256 == hashlib.sha256(b"#!x").hexdigest()


def test_interrupt_ends_the_reading(tmp_path: Path) -> None:
    """What progress raises in a thread comes out where the reading is waited for."""

    class Interrupted:
        def advance(self, amount: int = 1) -> None:
            if amount:
                raise KeyboardInterrupt

    (tmp_path / "a").write_bytes(b"x")
    files = dict(walk(str(tmp_path)))
    with pytest.raises(KeyboardInterrupt), Reading(StatCache()) as pool:
        pool.finish(files, list(files), lambda path, start: False, Interrupted())
