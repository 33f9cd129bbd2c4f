"""A Docker Engine of the tests' own, on a socket in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

_START_S = 60


def start_engine(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start dockerd with everything it keeps in `folder`; return the process and the URL of its API."""
    url = f"unix://{folder}/docker.sock"
    log = (folder / "dockerd.log").open("wb")
    process = subprocess.Popen(
        [
            "dockerd",
            "--bridge=none",
            "--iptables=false",
            f"--data-root={folder}/data",
            f"--exec-root={folder}/exec",
            f"--pidfile={folder}/docker.pid",
            f"--host={url}",
            "--config-file=",
        ],
        stdout=log,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
    )
    log.close()
    return process, url


def wait_for(process: subprocess.Popen[bytes], url: str, folder: Path) -> None:
    """Return when the Engine answers; RuntimeError with its log when it ends instead."""
    from envlock.adapters.engine import Engine
    from envlock.errors import UsageError

    deadline = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with Engine(url):
                return
        except UsageError:
            time.sleep(0.2)
    raise RuntimeError((folder / "dockerd.log").read_text(errors="replace")[-3000:])


def stop_engine(process: subprocess.Popen[bytes], folder: Path) -> None:
    """End our own process and remove what it left."""
    process.terminate()
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def engine() -> Iterator[str]:
    """The URL of an Engine that nothing else uses; skips, but never in CI, where there cannot be one."""
    reason = ""
    if shutil.which("dockerd") is None:
        reason = "dockerd is not installed (Debian: apt-get install --no-install-recommends docker.io)"
    elif os.geteuid() != 0:
        reason = "dockerd needs root"
    if reason:
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    # Sockets have short paths, so not below pytest's own folder.
    folder = Path(tempfile.mkdtemp(prefix="envlock-engine."))
    process, url = start_engine(folder)
    try:
        wait_for(process, url, folder)
        yield url
    finally:
        stop_engine(process, folder)
