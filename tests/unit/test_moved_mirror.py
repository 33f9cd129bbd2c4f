"""A mirror that has moved on: what it lost comes from a source that keeps old versions, or is said to be gone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from envlock.adapters.cache import Cache
from envlock.adapters.debian import VARIABLE, Mirrors
from envlock.adapters.http import Http
from envlock.errors import IntegrityError, UsageError
from envlock.locking import release as module
from envlock.locking.base import resolve_base
from envlock.model.edges import NoProgress
from envlock.model.lock import Base
from envlock.model.platform import Platform
from envlock.model.recipe import parse_recipe
from envlock.operations.fetch import fetch_debs
from tests.unit.debs import NOW, Pool, Signer

RECIPE = parse_recipe(
    b"""
distribution = "debian-12"
interpreter = "/usr/bin/python3.11"
python = "3.11"
glibc = "2.36"
end-of-life = 2028-06-30
suites = [{ archive = "debian", suite = "bookworm" }]
packages = ["python3.11-minimal"]
""",
    name="sample",
    where="sample.toml",
)


class Archive:
    """An archive on loopback: the live one under /live, what it was on a day under /snapshot/<time>."""

    def __init__(self, folder: Path) -> None:
        self.pool = Pool(folder)
        self.signer = Signer()
        self.pool.add("libc6", "2.36-9+deb12u10")
        self.lost = self.pool.add("python3.11-minimal", "3.11.2-6", Depends="libc6")
        self.pool.publish("debian", "bookworm", ("amd64",), self.signer)
        self.live = dict(self.pool.files)
        del self.live["debian", self.lost.path]
        self.kept = {("debian", self.lost.path): self.pool.files["debian", self.lost.path]}
        self.asked: list[str] = []
        self.address = ""

    def answer(self, path: str) -> bytes | None:
        """Return a file, or None."""
        self.asked.append(path)
        top, _, rest = path.lstrip("/").partition("/")
        files = self.live
        if top == "snapshot":
            stamp, _, rest = rest.partition("/")
            files = self.kept if stamp == "20260102T100000Z" else {}
        archive, _, name = rest.partition("/")
        return files.get((archive, name))

    def resolve(self, cache: Path, *, snapshot: bool) -> Base:
        """Lock and fetch the recipe from here."""
        templates = f"http://{self.address}/live/{{archive}}/{{path}}"
        if snapshot:
            templates += f" http://{self.address}/snapshot/{{timestamp}}/{{archive}}/{{path}}"
        artifacts = Cache(cache)
        return resolve_base(
            RECIPE,
            (Platform("linux", "amd64"),),
            Mirrors(Http(), environment={VARIABLE: templates}),
            lambda deb, at: fetch_debs([deb], archives=at, artifacts=artifacts, progress=NoProgress())[deb.sha256],
            now=NOW,
            with_build_packages=False,
            progress=NoProgress(),
        )


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    made = Archive(tmp_path)
    monkeypatch.setattr(module, "_certificates", lambda _: (made.signer.cert,))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = made.answer(self.path.replace("%2B", "+"))
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    made.address = f"127.0.0.1:{server.server_address[1]}"
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_what_the_mirror_lost_comes_from_a_snapshot(archive: Archive, tmp_path: Path) -> None:
    """At the time of the suites that were verified; the rest comes from the mirror."""
    base = archive.resolve(tmp_path / "cache", snapshot=True)
    assert [deb.name for deb in base.packages] == ["libc6", "python3.11-minimal"]
    asked = [path for path in archive.asked if path.endswith(archive.lost.path)]
    assert [path.split("/")[1:3] for path in asked] == [
        ["live", "debian"],
        ["snapshot", "20260101T100000Z"],
        ["snapshot", "20260102T100000Z"],
    ]
    assert sum(path.startswith("/snapshot") for path in archive.asked) == 2


def test_what_nobody_has_is_said_with_the_next_step(archive: Archive, tmp_path: Path) -> None:
    """The package, its digest, and a source to add."""
    with pytest.raises(UsageError, match="deb-gone") as caught:
        archive.resolve(tmp_path / "cache", snapshot=False)
    assert archive.lost.sha256 in caught.value.expected
    assert "{timestamp}" in caught.value.hint


def test_a_snapshot_with_other_bytes_is_an_integrity_error(archive: Archive, tmp_path: Path) -> None:
    """And the file is not kept."""
    archive.kept = {key: raw[:-1] + b"!" for key, raw in archive.kept.items()}
    with pytest.raises(IntegrityError, match="download-mismatch"):
        archive.resolve(tmp_path / "cache", snapshot=True)
    assert not list((tmp_path / "cache").rglob("python3.11-minimal*"))
