"""Verifies the image of a lock in a registry, without pull or run: wall time of the whole command, and bytes fetched.

    python benchmarks/registry_verify.py [ENV] [--project DIR] [--rounds 3] [--no-full]

The image is built and pushed to a registry on loopback before the clock starts; every connection of `verify` goes
through a proxy that counts what the registry sends. Rows:

* known: envlock.sum vouches for the image, so that its documents alone are fetched.
* unknown: envlock.sum is empty: the lock layer is fetched too, and the verdict is 3.
* full: every layer is streamed, hashed and compared with the lock, and kept nowhere.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.image import registry

_CHUNK = 1 << 16
REPOSITORY = "bench/verify"


class Counting:
    """A proxy of TCP connections to one address, on a loopback port of its own."""

    def __init__(self, address: str) -> None:
        host, _, port = address.partition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.received = 0
        """Bytes that the target sent, HTTP headers included."""
        self._guard = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                target = socket.create_connection(self._target)
                threading.Thread(target=self._copy, args=(client, target, False), daemon=True).start()
                threading.Thread(target=self._copy, args=(target, client, True), daemon=True).start()

    def _copy(self, source: socket.socket, destination: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(_CHUNK):
                if counted:
                    with self._guard:
                        self.received += len(chunk)
                destination.sendall(chunk)
        for end in (source, destination):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def counting(address: str) -> Iterator[Counting]:
    proxy = Counting(address)
    try:
        yield proxy
    finally:
        proxy.close()


def project_at(source: Path, folder: Path, *, sums: bool) -> Path:
    """Copy a project's manifest and locks; without `sums` nothing vouches for its images."""
    left_out = shutil.ignore_patterns("wheels", "built", *(() if sums else ("envlock.sum",)))
    shutil.copytree(source / "lockfiles", folder / "lockfiles", ignore=left_out)
    for name in ("envlock.toml", "pyproject.toml"):
        if (source / name).exists():
            shutil.copy(source / name, folder)
    return folder


def verify(folder: Path, env: str, reference: str, *options: str) -> tuple[float, float, float, int]:
    """Return (wall s, CPU s, peak MB, exit status)."""
    command = [sys.executable, "-m", "envlock", "-q", "verify", env, "--image", reference, "--frozen", *options]
    started = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, process.returncode


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("env", nargs="?", default="tf25")
    parser.add_argument("--project", type=Path, default=Path.cwd())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-full", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="envlock-bench.") as name, registry(Path(name) / "registry") as address:
        scratch = Path(name)
        push = ["push", options.env, "-t", f"{address}/{REPOSITORY}:bench", "--no-provenance"]
        subprocess.run([sys.executable, "-m", "envlock", "-q", *push], cwd=options.project, check=True,
                       stdout=subprocess.DEVNULL)  # fmt: skip
        rows = [
            ("known", True, ()),
            ("unknown", False, ()),
            *([] if options.no_full else [("full", True, ("--full",))]),
        ]
        print(f"{'image of a registry':<20} {'wall':>8} {'CPU':>8} {'memory':>8} {'fetched':>12}  exit")
        for row, sums, flags in rows:
            folder = project_at(options.project, scratch / row, sums=sums)
            results = []
            for _ in range(options.rounds):
                with counting(address) as proxy:
                    results.append(
                        (*verify(folder, options.env, f"{proxy.address}/{REPOSITORY}:bench", *flags), proxy.received)
                    )
            wall, cpu, memory, code, fetched = min(results)
            print(f"{row:<20} {wall:6.2f} s {cpu:6.2f} s {memory:5.0f} MB {fetched / 1e3:9,.1f} kB  {code}", flush=True)


if __name__ == "__main__":
    main()
