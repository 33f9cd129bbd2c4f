"""A registry of images in this process, over HTTP on loopback, as well or as badly behaved as a test asks."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from envlock.formats.oci import digest_of

USER, PASSWORD = "ana", "s3cret-word"
Answer = tuple[int, Mapping[str, str], bytes]


class FakeRegistry:
    """Content, a way of authentication, and answers to give instead.

    `auth` is None, `basic` or `bearer`. `instead` is asked before everything else, with method, path and how often
    that was asked, for another answer or None.
    """

    def __init__(self, auth: str | None = None) -> None:
        self.auth = auth
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.blobs: dict[str, bytes] = {}
        self.asked: list[tuple[str, str, Mapping[str, str]]] = []
        self.tokens = 0
        self.valid: set[str] = set()
        self.instead: Callable[[str, str, int], Answer | None] = lambda method, path, times: None
        self.address = ""

    def add(self, repository: str, tag: str, media_type: str, raw: bytes) -> str:
        """Hold a manifest under a tag and its digest."""
        digest = digest_of(raw)
        self.manifests[(repository, tag)] = self.manifests[(repository, digest)] = (media_type, raw)
        return digest

    def blob(self, raw: bytes) -> str:
        """Hold a blob."""
        self.blobs[digest_of(raw)] = raw
        return digest_of(raw)

    def paths(self, method: str | None = None) -> list[str]:
        """Return what was asked for."""
        return [path for asked, path, _ in self.asked if method in (None, asked)]

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer one request."""
        times = sum(path == before for _, before, _ in self.asked)
        self.asked.append((method, path, headers))
        other = self.instead(method, path, times)
        if other is not None:
            return other
        parts = urlsplit(path)
        if parts.path == "/token":
            return self._token(method, parse_qs(parts.query or body.decode()), headers)
        refused = self._refused(headers, parts.path)
        if refused is not None:
            return refused
        if parts.path == "/v2/":
            return 200, {}, b"{}"
        repository, kind, name = parts.path.removeprefix("/v2/").rsplit("/", 2)
        if kind == "manifests" and (repository, name) in self.manifests:
            media_type, raw = self.manifests[(repository, name)]
            return 200, {"Content-Type": media_type, "Docker-Content-Digest": digest_of(raw)}, raw
        if kind == "blobs" and name in self.blobs:
            raw = self.blobs[name]
            if wanted := headers.get("Range"):
                return 206, {}, raw[int(wanted.removeprefix("bytes=").rstrip("-")) :]
            return 200, {}, raw
        return 404, {"Content-Type": "application/json"}, b'{"errors":[]}'

    def _refused(self, headers: Mapping[str, str], path: str) -> Answer | None:
        given = headers.get("Authorization", "")
        if self.auth == "basic" and given != _basic():
            return 401, {"WWW-Authenticate": 'Basic realm="fake, with = and \\"quotes\\""'}, b""
        if self.auth == "bearer" and given.removeprefix("Bearer ") not in self.valid:
            realm = f'realm="http://{self.address}/token",service="fake",scope="ignored"'
            return 401, {"WWW-Authenticate": f"Bearer {realm}"}, b""
        return None

    def _token(self, method: str, asked: Mapping[str, list[str]], headers: Mapping[str, str]) -> Answer:
        known = headers.get("Authorization") == _basic() if method == "GET" else asked["refresh_token"] == ["refresh"]
        if not known:
            return 401, {}, b""
        self.tokens += 1
        token = f"token-{self.tokens}"
        self.valid = {token}
        field = "token" if method == "GET" else "access_token"
        return 200, {"Content-Type": "application/json"}, json.dumps({field: token}).encode()


def _basic() -> str:
    return "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@contextmanager
def serving(registry: FakeRegistry) -> Iterator[str]:
    """Serve a registry on a loopback port; yields host:port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, raw = registry.answer(self.command, self.path, dict(self.headers.items()), body)
            self.send_response(status)
            size = headers.get("Content-Length", str(len(raw)))
            for key, value in {**headers, "Content-Length": size}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(raw)
            if int(size) != len(raw):
                self.close_connection = True

        do_GET = do_HEAD = do_POST = handle_any  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    registry.address = f"127.0.0.1:{server.server_address[1]}"
    try:
        yield registry.address
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
