"""The memory of digests: what is recalled, what is not, and what becomes of damaged bytes."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from envlock.model.observation import File
from envlock.observe import stat_cache
from envlock.observe.stat_cache import StatCache
from envlock.observe.tree import look

SECOND = 1_000_000_000
DIGEST = hashlib.sha256(b"x").hexdigest()
FILE = File(
    kind="file",
    size=7,
    mtime_ns=5 * SECOND + 1,
    ctime_ns=6 * SECOND + 1,
    device=3,
    inode=4,
    sha256=DIGEST,
    content=None,
)


def kept(file: File = FILE, path: str = "/v/a.py", *, began: int = 100 * SECOND) -> StatCache:
    """Return a cache that has learnt a file, written and read again."""
    cache = StatCache()
    cache.learn(path, file, began)
    return StatCache.parse(cache.dump())


def test_same_file_is_recalled() -> None:
    """A file that is where and as it was gets its digest back, and nothing else of it changes."""
    seen = replace(FILE, sha256="")
    assert kept().recall("/v/a.py", seen) == FILE


@pytest.mark.parametrize("field", ["device", "inode", "size", "mtime_ns", "ctime_ns"])
def test_each_of_five_must_agree(field: str) -> None:
    """One number that differs is enough to read the file again."""
    assert kept().recall("/v/a.py", replace(FILE, **{field: getattr(FILE, field) + 1})) is None


def test_another_path_is_not_recalled() -> None:
    """The same inode under another name is read again: some file systems number two files alike."""
    assert kept().recall("/v/b.py", FILE) is None


@pytest.mark.parametrize("field", ["mtime_ns", "ctime_ns"])
@pytest.mark.parametrize(
    ("stamp", "remembered"),
    [
        (100 * SECOND + 1, False),
        (100 * SECOND - 20_000_000, False),
        (100 * SECOND - 60_000_000, True),
        (99 * SECOND, False),  # a whole second: the file system may know no finer ones
        (98 * SECOND, False),
        (96 * SECOND, True),
        (900 * SECOND, False),
    ],
)
def test_racy_files_are_not_learnt(field: str, stamp: int, remembered: bool) -> None:
    """A file written at about the time of its reading may be written again without its times telling."""
    file = replace(FILE, **{field: stamp})
    assert (kept(file).recall("/v/a.py", file) is not None) is remembered


def test_head_of_bytecode_is_kept() -> None:
    """Rules read the header of a .pyc; a .pyc too short to have one is read again."""
    head = bytes(range(16))
    assert kept(replace(FILE, size=40, content=head), "/v/a.pyc").recall("/v/a.pyc", replace(FILE, size=40)) == replace(
        FILE, size=40, content=head
    )
    assert kept(replace(FILE, content=b"short"), "/v/a.pyc").recall("/v/a.pyc", FILE) is None


def test_files_without_place_or_digest_are_not_learnt() -> None:
    """What has no inode, no digest or a problem is nothing to remember; nor are numbers that no row holds."""
    for file in (
        replace(FILE, inode=0),
        replace(FILE, sha256=""),
        replace(FILE, problem="it cannot be read: Permission denied"),
        replace(FILE, inode=1 << 70),
    ):
        assert kept(file).recall("/v/a.py", file) is None


def test_nothing_is_remembered_where_changes_leave_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows the third time is that of creation, which an edit leaves alone."""
    monkeypatch.setattr(stat_cache, "_TELLS_CHANGES", False)
    assert kept().recall("/v/a.py", FILE) is None


def test_damaged_bytes_are_an_empty_cache() -> None:
    """Whatever was done to the bytes, nothing is recalled from them and nothing is raised."""
    cache = StatCache()
    cache.learn("/v/a.py", FILE, 100 * SECOND)
    cache.learn_verdict(b"q" * 32, "same")
    raw = cache.dump()
    flipped = [raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :] for at in range(len(raw))]
    for damaged in (*flipped, *(raw[:at] for at in range(len(raw))), raw + b"\0", b"", b"\xff" * 300, None):
        found = StatCache.parse(damaged)
        assert found.recall("/v/a.py", FILE) is None
        assert found.verdict(b"q" * 32) is None


def test_wrong_counts_are_damage() -> None:
    """A body whose digest is right and whose counts are not is no cache."""
    body = stat_cache._COUNTS.pack(1 << 60, 1 << 60) + b"x" * 50
    assert not StatCache.parse(stat_cache._MAGIC + hashlib.sha256(body).digest() + body)._files


def test_bytes_name_no_path() -> None:
    """What is kept holds no path."""
    cache = StatCache()
    cache.learn("/home/ana/secret-project/a.py", FILE, 100 * SECOND)
    assert b"ana" not in cache.dump()
    assert b"secret" not in cache.dump()


def test_unused_rows_go() -> None:
    """What a look did not meet any more is not kept for the next one."""
    cache = StatCache()
    cache.learn("/v/a.py", FILE, 100 * SECOND)
    cache.learn("/v/b.py", FILE, 100 * SECOND)
    second = StatCache.parse(cache.dump())
    assert second.recall("/v/a.py", FILE)
    third = StatCache.parse(second.dump())
    assert third.recall("/v/a.py", FILE)
    assert third.recall("/v/b.py", FILE) is None


def test_accusations_are_not_kept() -> None:
    """A .pyc that differs is compared each time; one that does not, or that is never loaded, is remembered."""
    cache = StatCache()
    for at, verdict in enumerate(("same", "ignored", "differs")):
        cache.learn_verdict(bytes([at]) * 32, verdict)  # type: ignore[arg-type]
    found = StatCache.parse(cache.dump())
    assert [found.verdict(bytes([at]) * 32) for at in range(3)] == ["same", "ignored", None]


def test_names_that_are_no_text(tmp_path: Path) -> None:
    """A path whose bytes are not UTF-8 is remembered like any other."""
    path = str(tmp_path) + "/caf\udce9.py"
    Path(path).write_bytes(b"x")
    file = replace(look(path), sha256=DIGEST)
    cache = StatCache()
    cache.learn(path, file, time.time_ns() + 10 * SECOND)
    assert StatCache.parse(cache.dump()).recall(path, look(path)) == file


def test_nothing_new_is_no_change() -> None:
    """Reading a file again that is as it was gives no reason to write the cache again."""
    second = kept()
    second.learn("/v/a.py", FILE, 100 * SECOND)
    assert not second.changed
    second.learn("/v/a.py", replace(FILE, inode=5), 100 * SECOND)
    assert second.changed
