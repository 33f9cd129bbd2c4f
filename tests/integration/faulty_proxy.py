"""An HTTP proxy on loopback in front of a registry that does to requests what bad networks and bad servers do."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import msgspec

from tests.integration.registry_server import PASSWORD, USER

_PIECE = 1 << 14

Damage = Literal["break", "cut", "flip", "slow"]
"""Reset of the connection, its end as if all were said, one bit flipped, and 16 KiB each few milliseconds."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to one request."""

    status: int = 0
    """Answered instead of the registry, where not 0."""
    headers: dict[str, str] = {}
    body: bytes = b""
    up: Damage | None = None
    """To the request's body, half of the way through."""
    down: Damage | None = None
    """To the answer's body, half of the way through."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it came."""

    method: str
    path: str
    authorization: str


class FaultyProxy:
    """Passes requests on, but for those that `fault` picks: given method, path and how many such came before.

    Upload sessions of one repository count as one path.

    `tokens` makes it ask for tokens, each good for so many requests; 0 asks for none.
    """

    def __init__(self, registry: str, *, tokens: int = 0) -> None:
        self.registry = registry
        self.address = ""
        self.tokens = tokens
        self.fault: Callable[[str, str, int], Fault | None] = lambda method, path, times: None
        self.asked: list[Asked] = []
        self.faults = 0
        self._guard = threading.Lock()
        self._good_for: dict[str, int] = {}

    def picked(self, method: str, path: str, authorization: str) -> Fault:
        """Return what happens to a request."""
        with self._guard:
            times = sum((one.method, _kind(one.path)) == (method, _kind(path)) for one in self.asked)
            self.asked.append(Asked(method=method, path=path, authorization=authorization))
            fault = self._authenticated(path, authorization) or self.fault(method, path, times)
            self.faults += fault is not None
            return fault or Fault()

    def _authenticated(self, path: str, authorization: str) -> Fault | None:
        if not self.tokens:
            return None
        if path.startswith("/token?"):
            if authorization != "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode():
                return Fault(status=401)
            token = f"token-{len(self._good_for)}"
            self._good_for[token] = self.tokens
            assert parse_qs(urlsplit(path).query)["scope"]
            return Fault(status=200, body=json.dumps({"token": token}).encode())
        token = authorization.removeprefix("Bearer ")
        self._good_for[token] = self._good_for.get(token, 0) - 1
        if self._good_for[token] < 0:
            realm = f'Bearer realm="http://{self.address}/token",service="tests"'
            return Fault(status=401, headers={"WWW-Authenticate": realm})
        return None


def _kind(path: str) -> str:
    before, uploads, _ = path.partition("/uploads/")
    return before + uploads


@contextmanager
def proxying(proxy: FaultyProxy) -> Iterator[str]:
    """Serve a proxy; yields host:port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            fault = proxy.picked(self.command, self.path, self.headers.get("Authorization", ""))
            size = int(self.headers.get("Content-Length", 0))
            if fault.status:
                for _ in self._body(size, None):
                    pass
                return self._answer(fault.status, fault.headers, len(fault.body), iter([fault.body]), None)
            upstream = http.client.HTTPConnection(proxy.registry, timeout=60)
            try:
                headers = {key: value for key, value in self.headers.items() if key != "Authorization"}
                upstream.request(self.command, self.path, self._body(size, fault.up) if size else None, headers)
                response = upstream.getresponse()
                length = int(response.headers.get("Content-Length", 0)) if self.command != "HEAD" else 0
                pieces = iter(lambda: response.read(_PIECE), b"")
                self._answer(response.status, dict(response.headers.items()), length, pieces, fault.down)
            finally:
                upstream.close()

        def _body(self, size: int, damage: Damage | None) -> Iterator[bytes]:
            left = size
            while left:
                piece = self.rfile.read(min(_PIECE, left))
                if not piece:
                    raise ConnectionResetError
                left -= len(piece)
                yield self._damaged(piece, damage, over=left <= size // 2 < left + len(piece))

        def _answer(
            self, status: int, headers: dict[str, str], size: int, pieces: Iterator[bytes], damage: Damage | None
        ) -> None:
            self.send_response_only(status)
            for key, value in headers.items():
                if key.lower() != "content-length" or self.command == "HEAD":
                    self.send_header(key, value)
            if self.command != "HEAD":
                self.send_header("Content-Length", str(size))
            self.end_headers()
            if self.command == "HEAD":
                return
            left = size
            for piece in pieces:
                left -= len(piece)
                self.wfile.write(self._damaged(piece, damage, over=left <= size // 2 < left + len(piece)))

        def _damaged(self, piece: bytes, damage: Damage | None, *, over: bool) -> bytes:
            if damage == "slow":
                time.sleep(0.002)
            elif damage == "flip" and over:
                return bytes([piece[0] ^ 1]) + piece[1:]
            elif damage == "break" and over:
                linger = struct.pack("ii", 1, 0)  # the close is then a reset
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                raise ConnectionResetError
            elif damage == "cut" and over:
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_WR)
                raise ConnectionResetError
            return piece

        def handle(self) -> None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                super().handle()

        def finish(self) -> None:
            with contextlib.suppress(OSError):
                super().finish()

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = handle_any  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def shutdown_request(self, request: Any) -> None:
            self.close_request(request)  # without the orderly end that a reset must not have

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    proxy.address = f"127.0.0.1:{server.server_address[1]}"
    try:
        yield proxy.address
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
