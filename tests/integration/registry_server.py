"""Debian's docker-registry on loopback: plain, or with TLS and a password."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.integration.test_registry import required

USER, PASSWORD = "ana", "s3cret-word"
_HTPASSWD = f"{USER}:$2y$05$abcdefghijklmnopqrstuuEpHRRKIlpAGo.iP7Bpa.htQEJMAAnRe\n"
"""The password's bcrypt, of `htpasswd -nbB`."""


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A registry that runs."""

    address: str
    """Host and port."""
    folder: Path
    """Its storage, log and certificate."""

    @property
    def certificate(self) -> Path:
        """What signed its TLS."""
        return self.folder / "ca.crt"

    @property
    def blobs(self) -> Path:
        """Where its blobs are, in folders named by their digests."""
        return self.folder / "storage/docker/registry/v2/blobs/sha256"

    def requests(self) -> list[str]:
        """Return the lines of its access log."""
        return [
            line for line in (self.folder / "log").read_text("utf-8").splitlines() if ' "' in line and "HTTP/" in line
        ]

    def logged_in(self, folder: Path, *, trusted: bool = True) -> dict[str, str]:
        """Return the environment of somebody who logged in to it with docker, and trusts its certificate."""
        folder.mkdir(parents=True, exist_ok=True)
        auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        (folder / "config.json").write_text(json.dumps({"auths": {self.address: {"auth": auth}}}), "utf-8")
        return {"DOCKER_CONFIG": str(folder)} | ({"SSL_CERT_FILE": str(self.certificate)} if trusted else {})


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(folder: Path, *, secure: bool = False) -> Iterator[Server]:
    """Run a registry; `secure` is with TLS and a password."""
    program = required("docker-registry")
    folder.mkdir(parents=True, exist_ok=True)
    server = Server(address=f"127.0.0.1:{free_port()}", folder=folder)
    config: dict[str, Any] = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}, "delete": {"enabled": True}},
        "http": {"addr": server.address, "secret": "of the tests"},
        "log": {"level": "warn"},
    }
    if secure:
        make_certificate(folder)
        config["http"]["tls"] = {"certificate": str(folder / "ca.crt"), "key": str(folder / "key.pem")}
        (folder / "htpasswd").write_text(_HTPASSWD, "utf-8")
        config["auth"] = {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}
    (folder / "config.yml").write_text(json.dumps(config), "utf-8")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", folder / "config.yml"], stdout=log, stderr=log)
    try:
        _await(server, process)
        yield server
    finally:
        process.terminate()
        process.wait()


def make_certificate(folder: Path) -> None:
    """Write ca.crt and key.pem for loopback."""
    subprocess.run(
        [required("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "2", "-subj", "/CN=tests", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
         "-keyout", folder / "key.pem", "-out", folder / "ca.crt"],
        check=True, capture_output=True,
    )  # fmt: skip


def _await(server: Server, process: subprocess.Popen[bytes]) -> None:
    host, _, port = server.address.partition(":")
    for _ in range(200):
        if process.poll() is not None:
            break
        try:
            with socket.create_connection((host, int(port)), timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail((server.folder / "log").read_text("utf-8"))
