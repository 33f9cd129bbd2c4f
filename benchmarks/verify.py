"""Verifies an environment and an image, quick and full, beside other checkers and the floor: hashing and nothing else.

    python -m benchmarks.verify tf26 [--project DIR] [--venv .venv] [--rounds 5] [--no-dpkg]
    python -m benchmarks.verify tf26 --image oci:DIR

Without --venv the environment is synced into a temporary folder first. Each verification is a process of its own, as
users start it; the figures are its wall time, CPU time and peak memory, the best of all rounds. Then the environment
is made to drift in each way of `benchmarks/drifts.py`, really, and every checker is asked whether it sees that.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.drifts import DRIFTS, Target

_BUFFER = 1 << 20
_THREADS = 2
ENVLOCK = (sys.executable, "-m", "envlock", "--quiet")


class Run(NamedTuple):
    """One process: seconds, seconds of CPU, MB at its largest, exit status, and what it said."""

    wall: float
    cpu: float
    memory: float
    status: int
    said: str


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Run:
    """Run a command to its end."""
    with tempfile.TemporaryFile() as out:
        started = time.perf_counter()
        with subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=subprocess.STDOUT) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - started
        out.seek(0)
        said = out.read().decode("utf-8", "replace")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, process.returncode, said)


def floor(root: Path) -> tuple[float, int, int]:
    """Return (s, files, bytes) of reading and hashing everything below a folder by two threads, big files first."""
    sizes = {p: p.stat().st_size for p in root.rglob("*") if p.is_file() and not p.is_symlink()}
    files = iter(sorted(sizes, key=lambda path: -sizes[path]))
    guard = threading.Lock()

    def work() -> None:
        buffer = memoryview(bytearray(_BUFFER))
        while True:
            with guard:
                path = next(files, None)
            if path is None:
                return
            sha256 = hashlib.sha256()
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - 10,000 times
                while count := file.readinto(buffer):
                    sha256.update(buffer[:count])
            sha256.hexdigest()

    threads = [threading.Thread(target=work) for _ in range(_THREADS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started, len(sizes), sum(sizes.values())


def best(rows: Iterable[Run]) -> Run:
    """Return the shortest times, the largest memory, and what the last one said."""
    found = list(rows)
    wall, cpu = min(row.wall for row in found), min(row.cpu for row in found)
    return Run(wall, cpu, max(row.memory for row in found), found[-1].status, found[-1].said)


def told(found: Run) -> tuple[int, str]:
    """Return what a checker answered, without times and without what an earlier start has cached."""
    return found.status, re.sub(r"\d+(\.\d+)?\s?(ms|s)\b", "", found.said)


def show(title: str, found: Run, more: str = "") -> None:
    print(f"{title:<28} {found.wall:6.2f} s {found.cpu:6.2f} s CPU {found.memory:5.0f} MB  exit {found.status}  {more}")


class Bench:
    """One environment, and everybody who checks it."""

    def __init__(self, env: str, project: Path, venv: Path, scratch: Path, rounds: int) -> None:
        self.project, self.venv, self.rounds = project, venv, rounds
        self.environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self.environment["ENVLOCK_CACHE_DIR"] = str(scratch / "cache")
        self.stats = scratch / "cache/stats"
        verify = (*ENVLOCK, "verify", env, "--python", str(venv), "--json")
        pins = scratch / "requirements.txt"
        export = subprocess.run(
            [*ENVLOCK, "export", env, "--format", "requirements"], cwd=project, check=True, stdout=subprocess.PIPE
        )
        # Without where wheels may be found: nothing is to be installed.
        pins.write_bytes(b"".join(line for line in export.stdout.splitlines(keepends=True) if line[:2] != b"--"))
        python = str(venv / "bin/python")
        self.checkers: dict[str, tuple[str, ...]] = {
            "verify --quick": (*verify, "--quick"),
            "verify --full": (*verify, "--full"),
            "uv pip sync --dry-run": (_uv(), "pip", "sync", "--dry-run", "--offline", "--python", python, str(pins)),
            "pip check": (sys.executable, "-m", "pip", "--python", python, "check"),
        }

    def ask(self, checker: str) -> Run:
        """Ask one checker once."""
        return run(self.checkers[checker], self.project, self.environment)

    def times(self, *, dpkg: bool) -> None:
        """Print how long everybody takes where nothing differs."""
        self.ask("verify --full")
        show("verify --quick", best(self.ask("verify --quick") for _ in range(self.rounds)))
        cold, again, bottom = [], [], []
        for _ in range(self.rounds):  # in turn, so that what else the machine does strikes all of them
            shutil.rmtree(self.stats, ignore_errors=True)
            cold.append(self.ask("verify --full"))
            again.append(self.ask("verify --full"))
            bottom.append(floor(self.venv))
        seconds, files, size = min(bottom)
        show("verify --full, first time", best(cold), f"{min(row.wall for row in cold) / seconds:.2f} x floor")
        show("verify --full, again", best(again))
        print(f"{'floor: read and hash':<28} {seconds:6.2f} s  ({files:,} files, {size / 1e9:.2f} GB, two threads)")
        for name in ("uv pip sync --dry-run", "pip check"):
            show(name, best(self.ask(name) for _ in range(self.rounds)))
        if dpkg:
            show("dpkg --verify", run(("dpkg", "--verify"), self.project, self.environment), "all of this machine")

    def drifts(self, *, dpkg: bool) -> None:
        """Make each drift, ask everybody, and print a row of the table."""
        columns = list(self.checkers)
        before = {name: told(self.ask(name)) for name in self.checkers}
        caught = dict.fromkeys(columns, 0)
        target = Target(self.venv)
        print(f"\n| drift | {' | '.join(columns)} |\n|{' --- |' * (len(columns) + 1)}")
        for drift in DRIFTS:
            with drift(target):
                seen = {name: told(self.ask(name)) != before[name] for name in self.checkers}
            caught |= {name: caught[name] + seen[name] for name in seen}
            cells = ["caught" if seen[name] else "no" for name in columns]
            print(f"| {drift.title} | {' | '.join(cells)} |", flush=True)
        print(f"| of {len(DRIFTS)} | {' | '.join(str(caught[name]) for name in columns)} |")
        if dpkg:  # a minute each: it knows the files of Debian's packages alone, so that one drift says it all
            clean = told(run(("dpkg", "--verify"), self.project, self.environment))
            with DRIFTS[0](target):
                seen_by_dpkg = told(run(("dpkg", "--verify"), self.project, self.environment)) != clean
            print(f"dpkg --verify, of the first of them: {'caught' if seen_by_dpkg else 'no'}")


def _uv() -> str:
    from uv import find_uv_bin

    return os.fsdecode(find_uv_bin())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("env")
    parser.add_argument("--project", type=Path, default=Path())
    parser.add_argument("--venv", type=Path)
    parser.add_argument("--image")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-dpkg", action="store_true")
    arguments = parser.parse_args()
    project = arguments.project.absolute()
    if arguments.image:
        for mode in ("--quick", "--full"):
            command = [*ENVLOCK, "verify", arguments.env, "--image", arguments.image, mode]
            show(f"image {mode}", best(run(command, project, os.environ) for _ in range(arguments.rounds)))
        return
    dpkg = not arguments.no_dpkg and shutil.which("dpkg") is not None
    with tempfile.TemporaryDirectory() as scratch:
        venv = arguments.venv.absolute() if arguments.venv else Path(scratch) / "venv"
        if not arguments.venv:
            subprocess.run([*ENVLOCK, "sync", arguments.env, "--venv", venv], cwd=project, check=True)
        bench = Bench(arguments.env, project, venv, Path(scratch), arguments.rounds)
        bench.times(dpkg=dpkg)
        bench.drifts(dpkg=dpkg)


if __name__ == "__main__":
    main()
