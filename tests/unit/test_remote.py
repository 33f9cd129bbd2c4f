"""A file on an index is read in few requests, whatever pieces it is asked for in."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envlock.locking.remote import RemoteFile
from envlock.model.edges import Task

BODY = bytes(range(251)) * 40000
MIB = 1 << 20


class Server:
    """Serves BODY by ranges."""

    def __init__(self, *, ranges: bool = True) -> None:
        self.ranges = ranges
        self.asked: list[tuple[int, int]] = []

    def get(self, url: str, *, limit: int) -> bytes:
        raise NotImplementedError

    def get_range(self, url: str, start: int, end: int) -> bytes:
        if not self.ranges:
            raise LookupError
        self.asked.append((start, end))
        return BODY[start:end]

    def download(self, url: str, destination: Path, *, sha256: str, size: int | None, progress: Task) -> None:
        raise NotImplementedError


@given(st.lists(st.tuples(st.integers(0, len(BODY) + 10), st.integers(0, MIB)), max_size=12))
def test_bytes(reads: list[tuple[int, int]]) -> None:
    """Whatever is asked for in whatever order, the bytes are those of the file."""
    remote = RemoteFile(Server(), "https://example.com/x", len(BODY))
    assert [remote.read_at(*read) for read in reads] == [BODY[offset : offset + size] for offset, size in reads]


def test_reading_on_takes_more_each_time() -> None:
    """Ten MB in pieces of 64 KiB are a dozen requests, none of more than 2 MiB."""
    server = Server()
    remote = RemoteFile(server, "https://example.com/x", len(BODY))
    pieces = [remote.read_at(at, 1 << 16) for at in range(0, len(BODY), 1 << 16)]
    assert b"".join(pieces) == BODY
    assert len(server.asked) <= 12
    assert max(end - start for start, end in server.asked) <= 2 * MIB


def test_tail() -> None:
    """The first request for the end takes as much of it as was asked for when the file was opened."""
    server = Server()
    remote = RemoteFile(server, "https://example.com/x", len(BODY), tail=MIB)
    assert remote.read_at(len(BODY) - 22, 22) == BODY[-22:]
    assert remote.read_at(len(BODY) - MIB, 100) == BODY[-MIB:][:100]
    assert server.asked == [(len(BODY) - MIB, len(BODY))]


def test_no_ranges() -> None:
    """A server without ranges is said by LookupError."""
    with pytest.raises(LookupError):
        RemoteFile(Server(ranges=False), "https://example.com/x", len(BODY)).read_at(0, 1)
