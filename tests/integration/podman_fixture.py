"""Podman's Docker-compatible socket, with storage of the tests' own."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from envlock.adapters.engine import Engine
from envlock.errors import UsageError
from tests.integration.programs import need

_START_S = 60


def podman(folder: Path) -> list[str]:
    """Return the command with everything it keeps in `folder`."""
    kept = [f"--root={folder}/root", f"--runroot={folder}/run", f"--tmpdir={folder}/tmp"]
    return ["podman", *kept, "--storage-driver=overlay", "--cgroup-manager=cgroupfs", "--events-backend=file"]


def settings(folder: Path) -> dict[str, str]:
    """Return an environment for it in which containers get no higher limits than this machine allows."""
    limits = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
    most = {name: min(resource.getrlimit(kind)[1], 4096) for name, kind in limits.items()}
    rows = [f'"{name}={most[name]}:{most[name]}"' for name in limits]
    (folder / "containers.conf").write_text(f"[containers]\ndefault_ulimits = [{', '.join(rows)}]\n")
    return {**os.environ, "CONTAINERS_CONF": str(folder / "containers.conf")}


@pytest.fixture(scope="session")
def podman_engine() -> Iterator[str]:
    """The URL of a Podman service that nothing else uses; skips, but never in CI."""
    need("podman", root=True)
    folder = Path(tempfile.mkdtemp(prefix="envlock-podman."))  # sockets have short paths
    url = f"unix://{folder}/podman.sock"
    with (folder / "log").open("wb") as log:
        command = [*podman(folder), "system", "service", "--time=0", url]
        process = subprocess.Popen(
            command, env=settings(folder), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + _START_S
        while True:
            try:
                with Engine(url):
                    break
            except UsageError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((folder / "log").read_text(errors="replace")[-3000:]) from None
                time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=60)
        for mount in (folder / "root/overlay", folder / "root"):
            subprocess.run(["umount", str(mount)], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)
