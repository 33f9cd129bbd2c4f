"""Records the held history of lock changes: python tools/record_history.py writes tests/unit/history/*.patch.

Each step of its steps.toml is locked for real, with the network, and committed as its author at its date. The images of
twenty locks of TensorFlow would be 10 GB, so envlock.sum names digests that no build made.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HISTORY = Path(__file__).parents[1] / "tests/unit/history"
MANIFEST, LOCK, SUMS = "envlock.toml", "lockfiles/pylock.tf25.toml", "lockfiles/envlock.sum"
UNBUILT = ("Take TensorFlow's security release",)
"""Whose image nobody built."""


def main() -> None:
    """Replay the steps in an empty repository, and replace the patches."""
    steps = tomllib.loads((HISTORY / "steps.toml").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        git(folder, "init", "-q", "-b", "main")
        text = steps["start"]["manifest"].lstrip("\n")
        for number, step in enumerate((steps["start"], *steps["step"])):
            for old, new in step.get("edits", ()):
                if text.count(old) != 1:
                    sys.exit(f"step {number}: {old!r} stands {text.count(old)} times in the manifest")
                text = text.replace(old, new)
            (folder / MANIFEST).write_text(text, encoding="utf-8", newline="\n")
            if "folder" in step:
                (folder / step["folder"]).mkdir()
            print(number, step["subject"], flush=True)
            envlock(folder, "lock", "tf25", *step.get("arguments", ()))
            if step["subject"] not in UNBUILT:
                add_sums(folder)
            commit(folder, step)
        for patch in HISTORY.glob("*.patch"):
            patch.unlink()
        git(
            folder, "format-patch", "-q", "--root", "--zero-commit", "--no-signature", "-U1", "-o", str(HISTORY), "HEAD"
        )


def envlock(folder: Path, *arguments: str) -> None:
    """Run envlock in the project."""
    subprocess.run([Path(sys.executable).with_name("envlock"), *arguments], cwd=folder, check=True)


def add_sums(folder: Path) -> None:
    """Vouch for an image of the lock."""
    lock = hashlib.sha256((folder / LOCK).read_bytes()).hexdigest()
    digest = hashlib.sha256(f"image of {lock}".encode()).hexdigest()
    sums = folder / SUMS
    known = sums.read_text(encoding="utf-8").splitlines() if sums.exists() else []
    lines = sorted({*known, f"image {lock} linux/amd64 sha256:{digest}"})
    sums.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def commit(folder: Path, step: Mapping[str, Any]) -> None:
    """Commit manifest, lock and sums."""
    name, date = step["author"], step["date"]
    person = f"{name} <{name.lower()}@example.com>"
    git(folder, "add", MANIFEST, LOCK, SUMS)
    git(folder, "commit", "-q", f"--author={person}", f"--date={date}", "-m", step["subject"])


def git(folder: Path, *arguments: str) -> None:
    """Run git as nobody in particular."""
    settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_COMMITTER_NAME": "Recorder"}
    environment = os.environ | settings | {"GIT_COMMITTER_EMAIL": "recorder@example.com"}
    subprocess.run(["git", *arguments], cwd=folder, env=environment, check=True)


if __name__ == "__main__":
    main()
