"""What every command has in common."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from envlock.cli.main import COMMANDS


def envlock(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "envlock", *arguments]
    env = os.environ | {"ENVLOCK_CACHE_DIR": str(folder / "cache")} | environment
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command(tmp_path: Path, name: str) -> None:
    """Each command explains itself, and says what its options do."""
    done = envlock(tmp_path, name, "--help")
    assert done.returncode == 0, done.stderr
    assert f"Usage: envlock {name}" in done.stdout


@pytest.mark.parametrize("name", ["lock", "sync", "verify", "build", "fetch"])
def test_without_a_manifest(tmp_path: Path, name: str) -> None:
    """No manifest: exit 2, and how to write one."""
    done = envlock(tmp_path, name)
    assert done.returncode == 2
    assert done.stderr.startswith("error: There is no envlock.toml here or in a folder above. [no-manifest]")
    assert "Traceback" not in done.stderr


def test_misspelt_command(tmp_path: Path) -> None:
    """The nearest command is offered."""
    done = envlock(tmp_path, "verfy")
    assert done.returncode == 2
    assert "Did you mean 'verify'?" in done.stderr


def test_directory(tmp_path: Path) -> None:
    """-C runs elsewhere, and says what is wrong with that folder."""
    done = envlock(tmp_path, "-C", "nowhere", "lock")
    assert done.returncode == 2
    assert "nowhere: No such file or directory" in done.stderr


def test_unlocked_environment(tmp_path: Path) -> None:
    """An environment without a lock: exit 2, and the command that makes it."""
    (tmp_path / "envlock.toml").write_text('[env.x]\npython = "3.11"\ndependencies = ["six"]\n')
    for name in ("verify", "build", "sync", "fetch"):
        done = envlock(tmp_path, name, "x")
        assert done.returncode == 2
        assert "next: Make it: envlock lock x" in done.stderr


def test_flags_from_the_environment(tmp_path: Path) -> None:
    """Flags come from the environment too, under ENVLOCK_ and the command's name."""
    (tmp_path / "envlock.toml").write_text('[env.x]\npython = "3.11"\ndependencies = ["six"]\n')
    done = envlock(tmp_path, "build", "x", ENVLOCK_BUILD_OUTPUT="tape:1")
    assert done.returncode == 2
    assert "[bad-output]" in done.stderr


def test_init(tmp_path: Path) -> None:
    """init writes a manifest that lock understands, and never replaces one."""
    assert "[nothing-to-lock]" in envlock(tmp_path, "init").stderr
    (tmp_path / "requirements.txt").write_text("six==1.16.0\n")
    done = envlock(tmp_path, "init", "--python", "3.11")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "envlock.toml").read_text()
    assert tomllib.loads(text)["env"]["train"]["from"] == "requirements.txt"
    assert 'base = "debian-bookworm-python3.11"' in text
    assert "[manifest-exists]" in envlock(tmp_path, "init").stderr
    assert envlock(tmp_path, "lock", "--check").returncode == 2
