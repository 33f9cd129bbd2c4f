"""Runs every benchmark, most of them on this repository's tf25, one after another, and prints what they print.

python -m benchmarks [--rounds 3]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from envlock.adapters.cache import Cache
from envlock.formats.pylock import read_lock

ROOT = Path(__file__).parents[1]
HERE = Path(__file__).parent
LOCK = ROOT / "lockfiles" / "pylock.tf25.toml"


def run(title: str, *command: object) -> None:
    print(f"\n## {title}", flush=True)
    subprocess.run([str(part) for part in command], cwd=ROOT, check=True)


def start_up(rounds: int) -> None:
    """`envlock --help` beside the import of click, wall and CPU time of whole processes."""
    print("\n## Start", flush=True)
    for title, command in (
        ("envlock --help", [str(Path(sys.executable).with_name("envlock")), "--help"]),
        ("import click", [sys.executable, "-c", "import click"]),
    ):
        times = []
        for _ in range(rounds * 5):
            before, started = os.times(), time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            after = os.times()
            cpu = after.children_user + after.children_system - before.children_user - before.children_system
            times.append((time.perf_counter() - started, cpu))
        wall, cpu = (sorted(column)[len(times) // 2] for column in zip(*times, strict=True))
        print(f"{title:<16} {wall * 1e3:5.0f} ms   {cpu * 1e3:5.0f} ms CPU   (median of {len(times)})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    envlock = Path(sys.executable).with_name("envlock")
    subprocess.run([envlock, "-C", ROOT, "-q", "build", "tf25"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([envlock, "-C", ROOT, "-q", "fetch", "tf25"], check=True, stdout=subprocess.DEVNULL)
    package = read_lock(LOCK).lock.package("tensorflow")
    assert package is not None
    wheel = Cache().get(package.wheels[0].sha256, package.wheels[0].name)
    python = sys.executable
    start_up(rounds)
    run("Lock", python, HERE / "lock.py", "--rounds", rounds)
    run("Splice", python, HERE / "splice.py", wheel, "--rounds", rounds)
    run("Bytecode", python, HERE / "bytecode.py", wheel, "--lock", LOCK, "--rounds", rounds)
    run("Verify", python, "-m", "benchmarks.verify", "tf26", "--rounds", rounds)
    run("Verify an image", python, "-m", "benchmarks.verify", "tf25", "--image", "oci:.envlock/images/tf25")
    run("Verify in a registry", python, HERE / "registry_verify.py", "tf25", "--rounds", rounds)
    run("Compare", python, "-m", "benchmarks.compare", "--rounds", rounds)
    run("Whole image", python, HERE / "image.py", "tf25")


if __name__ == "__main__":
    main()
