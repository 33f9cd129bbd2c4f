"""What a container of probes writes: lines as they come, silence, noise on stderr, and how it ended."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from envlock.adapters.container_probing import _Output, _signed


def frame(stream: int, data: bytes) -> bytes:
    """Return what an Engine sends for output on a stream (Engine API, ContainerAttach)."""
    return struct.pack(">BxxxL", stream, len(data)) + data


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_lines_are_handed_on_whole(ends: tuple[socket.socket, socket.socket]) -> None:
    """In whatever pieces they come, the last without its end too; stderr is kept for its last line."""
    here, there = ends
    lines: list[bytes] = []
    output = _Output(lines.append)
    for sent in (frame(1, b'{"a'), frame(2, b"Traceback\n"), frame(1, b'": 1}\n{}\n'), frame(2, b"Boom\n\n")):
        there.sendall(sent)
    there.sendall(frame(1, b"rest"))
    there.shutdown(socket.SHUT_WR)
    assert output.take(here, 10)
    assert lines == [b'{"a": 1}\n', b"{}\n", b"rest"]
    assert output.said == "Boom"


def test_only_lines_are_signs_of_life(ends: tuple[socket.socket, socket.socket]) -> None:
    """What a framework complains, without end, is none."""
    here, there = ends
    over = threading.Event()

    def complain() -> None:
        while not over.wait(0.02):
            there.sendall(frame(2, b"warning\n"))

    thread = threading.Thread(target=complain)
    thread.start()
    try:
        assert not _Output(lambda _: None).take(here, 0.2)
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize(("status", "signed"), [(0, 0), (3, 3), (139, -11), (137, -9)])
def test_signals_are_told_as_such(status: int, signed: int) -> None:
    """A container's status is 128 and the signal's number."""
    assert _signed(status) == signed
