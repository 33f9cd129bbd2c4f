"""Compares `envlock lock` with `uv pip compile` and `pip lock` on torch, transformers and lightning.

python -m benchmarks.lock [--rounds 3] [--without-pip]

All three resolve the same requirements against the same index for this interpreter, one after another in each round,
from empty caches and again from full ones.
envlock resolves through the same uv, and reads besides what every wheel holds, by ranges. Nothing is installed.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from uv import find_uv_bin

REQUIREMENTS = ("torch", "transformers", "lightning")
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
MANIFEST = f"""\
[env.torch]
python = "{PYTHON}"
dependencies = {list(REQUIREMENTS)}
""".replace("'", '"')
PIP = "pip>=26.3,<27"


def clean(**extra: object) -> dict[str, str]:
    """This machine's pip and uv settings reach none of the three."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "UV_", "ENVLOCK_"))}
    return kept | {"PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1"} | {k: str(v) for k, v in extra.items()}


def timed(command: Sequence[object], folder: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Run a command and return its wall and CPU seconds."""
    before, started = os.times(), time.perf_counter()
    subprocess.run([str(part) for part in command], cwd=folder, env=environment, check=True, capture_output=True)
    after, wall = os.times(), time.perf_counter() - started
    return wall, sum(after[2:4]) - sum(before[2:4])


def uv_compile(folder: Path, cache: Path) -> tuple[float, float]:
    (folder / "requirements.in").write_text("\n".join(REQUIREMENTS) + "\n", "utf-8")
    (folder / "pylock.uv.toml").unlink(missing_ok=True)
    command = [find_uv_bin(), "pip", "compile", "requirements.in", "--format", "pylock.toml", "-o", "pylock.uv.toml"]
    command += ["--python-version", PYTHON, "--python-platform", "x86_64-manylinux_2_31", "--no-header"]
    return timed(command, folder, clean(UV_CACHE_DIR=cache))


def envlock_lock(folder: Path, cache: Path) -> tuple[float, float]:
    (folder / "envlock.toml").write_text(MANIFEST, "utf-8")
    (folder / "lockfiles" / "pylock.torch.toml").unlink(missing_ok=True)
    command = [Path(sys.executable).with_name("envlock"), "-q", "lock"]
    return timed(command, folder, clean(UV_CACHE_DIR=cache / "uv", ENVLOCK_CACHE_DIR=cache / "envlock"))


def pip_lock(folder: Path, cache: Path, python: Path) -> tuple[float, float]:
    command = [python, "-m", "pip", "lock", *REQUIREMENTS, "-o", "pylock.pip.toml", "--cache-dir", cache, "-q"]
    return timed(command, folder, clean())


def table(rows: dict[str, list[tuple[float, float]]]) -> None:
    for title, runs in rows.items():
        wall, cpu = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"{title:<24} {wall:6.2f} s  {cpu:6.2f} s CPU   {' '.join(f'{run[0]:.2f}' for run in runs)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without-pip", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="envlock-bench-") as name:
        top = Path(name)
        folder = top / "project"
        folder.mkdir()
        pip = top / "pip" / "bin" / "python"
        if not options.without_pip:
            uv = find_uv_bin()
            subprocess.run([uv, "-q", "venv", "-p", sys.executable, top / "pip"], env=clean(), check=True)
            subprocess.run([uv, "-q", "pip", "install", "-p", pip, PIP], env=clean(), check=True)
        rows: dict[str, list[tuple[float, float]]] = {}
        for number in range(options.rounds):
            caches = {kind: top / f"{kind}-{number}" for kind in ("uv", "envlock", "pip")}
            for warmth in ("cold", "warm"):
                rows.setdefault(f"uv pip compile, {warmth}", []).append(uv_compile(folder, caches["uv"]))
                rows.setdefault(f"envlock lock, {warmth}", []).append(envlock_lock(folder, caches["envlock"]))
            if not options.without_pip:
                rows.setdefault("pip lock, cold", []).append(pip_lock(folder, caches["pip"], pip))
        table(rows)
        median = {title: statistics.median(run[0] for run in runs) for title, runs in rows.items()}
        for warmth in ("cold", "warm"):
            ours, theirs = median[f"envlock lock, {warmth}"], median[f"uv pip compile, {warmth}"]
            print(f"{warmth}: {ours:.2f} s against 1.3 x {theirs:.2f} s + 2 s = {1.3 * theirs + 2:.2f} s")
        if "pip lock, cold" in median:
            print(f"pip lock takes {median['pip lock, cold'] / median['envlock lock, cold']:.1f} times as long, cold")
        print(f"the largest of all processes: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10} MiB RSS")


if __name__ == "__main__":
    main()
