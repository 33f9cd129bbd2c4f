"""Verifies an environment and an image, quick and full, beside the floor: the same files hashed and nothing else.

    python benchmarks/verify.py tf25 --project DIR [--venv .venv] [--image oci:DIR] [--rounds 3]

Each verification is a process of its own, as users start it; the figures are its wall time, CPU time and peak memory.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_CHUNK = 1 << 20


def run(command: Sequence[str], folder: Path) -> tuple[float, float, float, int]:
    """Return (wall s, CPU s, peak MB, exit status) of a command."""
    started = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, process.returncode


def floor(root: Path) -> tuple[float, int, int]:
    """Return (s, files, bytes) of hashing everything below a folder by threads."""
    files = sorted((p for p in root.rglob("*") if p.is_file() and not p.is_symlink()), key=lambda p: -p.stat().st_size)

    def digest(path: Path) -> int:
        sha256, size = hashlib.sha256(), 0
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(_CHUNK):
                sha256.update(chunk)
                size += len(chunk)
        return size

    started = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        total = sum(pool.map(digest, files))
    return time.perf_counter() - started, len(files), total


def best(rows: Iterable[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(min(column) for column in zip(*rows, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("env")
    parser.add_argument("--project", type=Path, default=Path())
    parser.add_argument("--venv", type=Path)
    parser.add_argument("--image")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    targets = [("venv", ["--python", str(arguments.venv)])] if arguments.venv else []
    targets += [("image", ["--image", arguments.image])] if arguments.image else []
    for name, options in targets:
        for mode in ("--quick", "--full"):
            command = [sys.executable, "-m", "envlock", "--quiet", "verify", arguments.env, *options, mode]
            wall, cpu, memory, code = best(run(command, arguments.project) for _ in range(arguments.rounds))
            print(f"{name:<6} {mode:<8} {wall:6.2f} s  {cpu:6.2f} s CPU  {memory:4.0f} MB  exit {code:.0f}")
    if arguments.venv:
        seconds, files, size = best(floor(arguments.project / arguments.venv) for _ in range(arguments.rounds))
        print(f"floor  sha256   {seconds:6.2f} s  ({files:,.0f} files, {size / 1e9:.2f} GB)")


if __name__ == "__main__":
    main()
