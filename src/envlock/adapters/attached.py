"""The connection that carries a container's stdin, stdout and stderr (Engine API, ContainerAttach)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

_HEAD = 8
"""Of a frame: stream (1 stdout, 2 stderr), three zeros, length."""
_CHUNK = 1 << 16


def connection_of(attached: Any) -> socket.socket:
    """Return the connection that docker's client wrapped, waiting without limit for what comes."""
    connection: socket.socket = getattr(attached, "_sock", attached)  # SocketIO on Linux, the socket itself elsewhere
    connection.settimeout(None)
    return connection


def close(attached: Any) -> None:
    """Close a connection and the answer that it came with, the outermost first: each flushes what it wraps."""
    for part in (getattr(attached, "_response", None), connection_of(attached), attached):
        if part is not None:
            part.close()


def output_of(connection: socket.socket, *, terminal: bool) -> Iterator[tuple[int, bytes]]:
    """Yield what a container writes as (stream, bytes), as it comes, to the end; a terminal has one stream, 1."""
    if terminal:
        while chunk := connection.recv(_CHUNK):
            yield 1, chunk
        return
    while len(head := _exactly(connection, _HEAD)) == _HEAD:
        left = int.from_bytes(head[4:], "big")
        while left and (chunk := connection.recv(min(left, _CHUNK))):
            left -= len(chunk)
            yield head[0], chunk


def _exactly(connection: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count and (chunk := connection.recv(count - len(received))):
        received += chunk
    return received
