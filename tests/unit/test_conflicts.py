"""The conflict check reads listings alone: at hand unhashed, else by ranges; RECORD has to be the locked one."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from envlock.adapters.cache import Cache
from envlock.errors import IntegrityError, UsageError
from envlock.formats.wheel import WheelFile, open_wheel
from envlock.model.artifact import Wheel
from envlock.model.edges import Resolution
from envlock.model.index import Indexes
from envlock.model.lock import LockFile
from envlock.operations.conflicts import refuse_locked_conflicts
from envlock.operations.wheels import Wheels
from tests.unit.edges import edges_with
from tests.unit.images import AMD64, lock_of
from tests.unit.wheels import make_wheel


class Index:
    """Serves ranges of the files of a folder, and says where they are; implements Downloads and Resolver."""

    def __init__(self, folder: Path, *, ranges: bool = True) -> None:
        self.folder = folder
        self.ranges = ranges
        self.bytes = 0
        self.whole: list[str] = []

    def resolve(self, wanted: Resolution) -> list[dict[str, object]]:
        import hashlib

        names = {line.partition("==")[0] for line in wanted.requirements}
        return [
            {"wheels": [{"url": path.name, "hashes": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}}]}
            for path in sorted(self.folder.glob("*.whl"))
            if path.name.split("-")[0] in names
        ]

    def get_range(self, url: str, start: int, end: int) -> bytes:
        if not self.ranges:
            raise LookupError(url)
        data = (self.folder / url).read_bytes()[start:end]
        self.bytes += len(data)
        return data

    def download(self, url: str, destination: Path, **_: object) -> None:
        self.whole.append(url)
        destination.write_bytes((self.folder / url).read_bytes())


class Bench:
    """Two wheels with a file of the same path, a lock of them, and a machine that has neither."""

    def __init__(self, folder: Path, *, same: bool, ranges: bool = True) -> None:
        self.there = folder / "there"
        self.there.mkdir()
        (folder / "lock").mkdir()
        noise = bytes(range(256)) * 4096
        other = b"# one\n" if same else b"# other\n"
        files = ["shared/__init__.py"]
        self.one = make_wheel(
            self.there, "one", "1.0", {files[0]: b"# one\n", "one/noise": noise}, stored=frozenset({"one/noise"})
        )
        self.two = make_wheel(self.there, "two", "1.0", {files[0]: other})
        self.lock: LockFile = lock_of([self.one, self.two])
        self.cache = Cache(folder / "cache")
        self.index = Index(self.there, ranges=ranges)
        edges = edges_with(artifacts=self.cache, downloads=self.index, resolver=self.index, indexes=Indexes())
        self.wheels = Wheels(self.lock.lock, AMD64, folder=folder / "lock", edges=edges)

    @property
    def locked(self) -> list[Wheel]:
        return [package.wheels[0] for package in self.lock.lock.packages]

    def check(self) -> None:
        refuse_locked_conflicts(self.locked, "3.9", self.wheels.listing)

    def put(self, path: Path) -> Path:
        wheel = next(wheel for wheel in self.locked if wheel.name == path.name)
        return self.cache.put(path, wheel.sha256, wheel.name)


@pytest.mark.parametrize("same", [True, False])
def test_ranges_do_where_a_wheel_is_not_here(tmp_path: Path, *, same: bool) -> None:
    """A small part of the wheels is read, and none of them is fetched."""
    bench = Bench(tmp_path, same=same)
    if same:
        bench.check()
    else:
        with pytest.raises(UsageError) as caught:
            bench.check()
        assert caught.value.reference == "file-conflict"
        assert "shared/__init__.py" in caught.value.what
    assert bench.index.whole == []
    assert 0 < bench.index.bytes < bench.one.stat().st_size / 4


def test_wheels_are_fetched_where_the_index_serves_no_ranges(tmp_path: Path) -> None:
    """And read whole then, which these locked digests of contents do not survive."""
    bench = Bench(tmp_path, same=False, ranges=False)
    with pytest.raises(IntegrityError) as caught:
        bench.check()
    assert caught.value.reference == "contents-mismatch"
    assert bench.index.whole != []


def test_a_wheel_at_hand_is_not_hashed(tmp_path: Path) -> None:
    """Bytes that RECORD vouches for are not looked at; whoever builds of them does."""
    bench = Bench(tmp_path, same=True)
    path = bench.put(bench.one)
    bench.put(bench.two)
    raw = bytearray(path.read_bytes())
    at = raw.index(bytes(range(256)))
    raw[at] ^= 1
    path.write_bytes(raw)
    bench.check()
    assert bench.index.bytes == 0


def test_a_damaged_listing_is_read_elsewhere(tmp_path: Path) -> None:
    """A cached wheel whose directory is gone is no reason to fail."""
    bench = Bench(tmp_path, same=True)
    bench.put(bench.two)
    bench.put(bench.one).write_bytes(b"PK")
    bench.check()
    assert bench.index.bytes > 0


def test_an_index_that_lies_about_record_is_refused(tmp_path: Path) -> None:
    """A RECORD with another digest than the lock gives is exit 4, named with both."""
    bench = Bench(tmp_path, same=True)
    liar = make_wheel(tmp_path, "two", "1.0", {"elsewhere.py": b""})

    def listing(wheel: Wheel) -> AbstractContextManager[WheelFile]:
        return open_wheel(liar if wheel.name == liar.name else bench.one)

    with pytest.raises(IntegrityError) as caught:
        refuse_locked_conflicts(bench.locked, "3.9", listing)
    assert caught.value.reference == "record-mismatch"
    assert caught.value.where == liar.name
