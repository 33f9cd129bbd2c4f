"""The HTTP client checks what it brings, and goes on where a connection broke."""

from __future__ import annotations

import hashlib
import shutil
import ssl
import subprocess
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from envlock.adapters.credentials import Credentials
from envlock.adapters.http import Http
from envlock.errors import IntegrityError, UsageError
from envlock.model.edges import NoProgress
from envlock.model.index import Index, Indexes

BODY = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(BODY).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves BODY; `breaks` connections end early first."""

    daemon_threads = True
    breaks = 0
    ranges = True
    status = 200
    refusals = 99
    retry_after: str | None = None
    kind = "application/octet-stream"
    body = BODY
    seen: list[str | None]
    location: str | None = None
    authorizations: list[str | None]

    def handle_error(self, request: object, client_address: object) -> None:
        """Let clients that hang up go."""


class Answer(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.seen.append(wanted)
        self.server.authorizations.append(self.headers.get("Authorization"))
        if self.server.location is not None:
            self.send_response(302)
            self.send_header("Location", self.server.location)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.server.status != 200 and self.server.refusals:
            self.server.refusals -= 1
            self.send_response(self.server.status)
            if self.server.retry_after:
                self.send_header("Retry-After", self.server.retry_after)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start, end = 0, len(self.server.body)
        if wanted and self.server.ranges:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end = (
                (int(first), int(last) + 1 if last else len(self.server.body))
                if first
                else (len(self.server.body) - int(last), len(self.server.body))
            )
            self.send_response(206)
        else:
            self.send_response(200)
        self.send_header("Content-Type", self.server.kind)
        self.send_header("Content-Length", str(end - start))
        self.end_headers()
        if self.server.breaks:
            self.server.breaks -= 1
            self.wfile.write(self.server.body[start : start + (end - start) // 2])
            self.close_connection = True
            return
        self.wfile.write(self.server.body[start:end])


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Answer) as running:
        running.seen = []
        running.authorizations = []
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def url_of(server: Server) -> str:
    """Return a URL of the server, without credentials."""
    return f"http://127.0.0.1:{server.server_port}/file"


class Counted:
    """A task that adds up."""

    total = 0

    def advance(self, amount: int = 1) -> None:
        self.total += amount


def fetch(
    server: Server,
    target: Path,
    sha256: str = SHA256,
    size: int | None = len(BODY),
    sleep: Callable[[float], None] = lambda _: None,
) -> None:
    url = f"http://user:secret@127.0.0.1:{server.server_port}/file?token=hidden"
    with NoProgress().task("") as task:
        Http(credentials=Credentials(environ={}), sleep=sleep).download(
            url, target, sha256=sha256, size=size, progress=task
        )


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


@pytest.mark.parametrize(
    ("status", "reference", "next_step"),
    [
        (401, "credentials-missing", "netrc"),
        (403, "fetch-failed", "access"),
        (404, "not-found", "credentials"),
        (410, "not-found", "gone"),
        (429, "rate-limited", "Wait"),
        (500, "fetch-failed", "later"),
    ],
)
def test_refusals(server: Server, tmp_path: Path, status: int, reference: str, next_step: str) -> None:
    """Each way of refusing is told apart from the others, with a next step and no credential."""
    server.status = status
    with pytest.raises(UsageError) as caught:
        fetch(server, tmp_path / "file")
    assert caught.value.reference == reference
    assert str(status) in caught.value.what
    assert next_step in caught.value.hint
    assert "secret" not in str(caught.value) and "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "waits"),
    [
        ("7", [7.0]),
        (None, [0.5]),
        ("Fri, 01 Jan 2010 00:00:00 GMT", [0.0]),
        ("Fri, 01 Jan 2010 00:00:00 -0000", [0.0]),
        ("soon", [0.5]),
    ],
)
def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path, header: str | None, waits: list[float]) -> None:
    """Retry-After says how long to wait, in seconds or as a date; without it the pauses grow."""
    server.status, server.refusals, server.retry_after = 429, 1, header
    waited: list[float] = []
    fetch(server, tmp_path / "file", sleep=waited.append)
    assert waited == waits
    assert (tmp_path / "file").read_bytes() == BODY


def test_a_long_wait_is_told(server: Server, tmp_path: Path) -> None:
    """A server that asks for an hour is not waited for."""
    server.status, server.retry_after = 429, "3600"
    waited: list[float] = []
    with pytest.raises(UsageError, match="429") as caught:
        fetch(server, tmp_path / "file", sleep=waited.append)
    assert waited == []
    assert "3600 seconds" in caught.value.hint


def test_a_web_page_is_no_file(server: Server, tmp_path: Path) -> None:
    """A login page in a file's place is told as one, not as wrong bytes; the right bytes may be called anything."""
    server.kind = "text/html; charset=utf-8"
    fetch(server, tmp_path / "file")
    server.body = b"\n<!DOCTYPE html><html>Log in</html>"
    with pytest.raises(UsageError) as caught:
        fetch(server, tmp_path / "other")
    assert caught.value.reference == "web-page"


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


@pytest.fixture
def self_signed(server: Server, tmp_path: Path) -> str:
    """The server behind a certificate that nobody vouches for."""
    files = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "certificate")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-days", "1"]
    if shutil.which("openssl") is None or subprocess.run([*command, *files], capture_output=True).returncode != 0:
        pytest.skip("openssl makes no certificate here")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return f"https://127.0.0.1:{server.server_port}/file"


def test_certificates_are_checked_but_for_named_hosts(server: Server, self_signed: str) -> None:
    """Only a host that settings call insecure may show any certificate."""
    with pytest.raises(UsageError, match="fetch-failed"):
        Http(sleep=lambda _: None, insecure_hosts=("example.com",)).get(self_signed, limit=1 << 21)
    for host in ("127.0.0.1", f"127.0.0.1:{server.server_port}", "https://127.0.0.1"):
        assert Http(insecure_hosts=(host,)).get(self_signed, limit=1 << 21) == BODY


@pytest.mark.parametrize("location", ["https://[", "https://example.com:port/"])
def test_a_redirect_to_what_is_no_url(server: Server, location: str) -> None:
    """It is the server's fault, and said so."""
    server.location = location
    with pytest.raises(UsageError, match="bad-url"):
        Http().get(url_of(server), limit=9)


def test_credentials_may_have_any_letter(server: Server) -> None:
    """They are sent in UTF-8, as uv sends them."""
    server.status = 401
    environ = {"UV_INDEX_OWN_USERNAME": "ana", "UV_INDEX_OWN_PASSWORD": "p\u20acss"}
    indexes = Indexes(entries=(Index(name="own", url=url_of(server)),))
    with pytest.raises(UsageError, match="credentials-missing"):
        Http(credentials=Credentials(indexes, environ)).get(url_of(server), limit=9)
    assert server.authorizations[0] == "Basic " + b64encode("ana:p\u20acss".encode()).decode()


def test_more_than_the_size_is_not_read(server: Server, tmp_path: Path) -> None:
    """A server that sends on and on does not fill the disk."""
    server.body = BODY * 64
    counted = Counted()
    with pytest.raises(IntegrityError, match="download-mismatch"):
        Http().download(url_of(server), tmp_path / "file", sha256=SHA256, size=len(BODY), progress=counted)
    assert counted.total < 2 * len(BODY)
