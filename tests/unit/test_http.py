"""The HTTP client checks what it brings, and goes on where a connection broke."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from envlock.adapters.http import Http, redact
from envlock.errors import IntegrityError, UsageError
from envlock.model.edges import NoProgress

BODY = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(BODY).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves BODY; `breaks` connections end early first."""

    daemon_threads = True
    breaks = 0
    ranges = True
    status = 200
    seen: list[str | None]


class Answer(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.seen.append(wanted)
        if self.server.status != 200:
            self.send_response(self.server.status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start, end = 0, len(BODY)
        if wanted and self.server.ranges:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end = (
                (int(first), int(last) + 1 if last else len(BODY)) if first else (len(BODY) - int(last), len(BODY))
            )
            self.send_response(206)
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(end - start))
        self.end_headers()
        if self.server.breaks:
            self.server.breaks -= 1
            self.wfile.write(BODY[start : start + (end - start) // 2])
            self.close_connection = True
            return
        self.wfile.write(BODY[start:end])


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Answer) as running:
        running.seen = []
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def fetch(server: Server, target: Path, sha256: str = SHA256, size: int | None = len(BODY)) -> None:
    url = f"http://user:secret@127.0.0.1:{server.server_port}/file?token=hidden"
    with NoProgress().task("") as task:
        Http().download(url, target, sha256=sha256, size=size, progress=task)


def test_download(server: Server, tmp_path: Path) -> None:
    """A whole file arrives under its own name only."""
    fetch(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("ranges", [True, False])
def test_broken_connection_is_taken_up(server: Server, tmp_path: Path, ranges: bool) -> None:
    """After a break the rest is asked for; a server without ranges sends all again."""
    server.breaks, server.ranges = 2, ranges
    fetch(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY
    assert server.seen[0] is None and server.seen[1] is not None


def test_other_bytes_are_an_integrity_error(server: Server, tmp_path: Path) -> None:
    """Bytes without the locked digest never get the file's name (exit 4)."""
    with pytest.raises(IntegrityError) as caught:
        fetch(server, tmp_path / "file", sha256="0" * 64)
    assert caught.value.exit_code == 4
    assert list(tmp_path.iterdir()) == []


def test_truncated_for_good(server: Server, tmp_path: Path) -> None:
    """A download that always ends early fails with exit 2, without a file and without credentials in the message."""
    server.breaks = 99
    with pytest.raises(UsageError) as caught:
        fetch(server, tmp_path / "file")
    assert caught.value.reference == "fetch-failed"
    assert not {"secret", "hidden", "user"} & set(str(caught.value).replace("/", " ").replace("?", " ").split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("status", "reference"), [(404, "not-found"), (410, "not-found"), (403, "fetch-failed")])
def test_refusals(server: Server, tmp_path: Path, status: int, reference: str) -> None:
    """What the server refuses is told apart from what it no longer has."""
    server.status = status
    with pytest.raises(UsageError) as caught:
        fetch(server, tmp_path / "file")
    assert caught.value.reference == reference
    assert str(status) in caught.value.what


def test_ranges(server: Server) -> None:
    """Parts come by ranges, the last ones by a negative start."""
    url = f"http://127.0.0.1:{server.server_port}/file"
    assert Http().get_range(url, 10, 20) == BODY[10:20]
    assert Http().get_range(url, -7, 0) == BODY[-7:]
    server.ranges = False
    with pytest.raises(LookupError):
        Http().get_range(url, 10, 20)


def test_small_bodies_are_limited(server: Server) -> None:
    """An endless answer is cut off."""
    with pytest.raises(UsageError, match="larger"):
        Http().get(f"http://127.0.0.1:{server.server_port}/file", limit=100)


def test_offline_reaches_nothing(server: Server) -> None:
    """--offline means no request at all."""
    with pytest.raises(UsageError, match="--offline"):
        Http(offline=True).get(f"http://127.0.0.1:{server.server_port}/file", limit=100)
    assert server.seen == []


def test_redaction() -> None:
    """No credential survives: not in the host part, not in a query."""
    assert redact("https://me:token@example.com:8080/simple/x?key=1#y") == "https://example.com:8080/simple/x"
