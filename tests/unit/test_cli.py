"""What every command has in common."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from envlock.cli.build import own_layout
from envlock.cli.main import COMMANDS
from envlock.model.manifest_parser import find_manifest


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


_IMAGES = """\
[env.a]
python = "3.11"
dependencies = ["six"]
[env.a.image]
base = "debian-bookworm-python3.11"
repository = "127.0.0.1:1/team/a"

[env.bare]
python = "3.11"
dependencies = ["six"]
"""


def test_shells_complete_environments(tmp_path: Path) -> None:
    """By their names in the manifest; without one there is nothing to offer."""
    words = {"_ENVLOCK_COMPLETE": "bash_complete", "COMP_WORDS": "envlock push b", "COMP_CWORD": "2"}
    assert envlock(tmp_path, **words).stdout.strip() == ""
    (tmp_path / "envlock.toml").write_text(_IMAGES)
    assert envlock(tmp_path, **words).stdout == "plain,bare\n"


def test_a_tag_alone_is_one_of_the_manifest_s_repository(tmp_path: Path) -> None:
    """For which, tag and copy too, where there is one repository."""
    (tmp_path / "envlock.toml").write_text(_IMAGES)
    for arguments in (("which", ":v1"), ("tag", ":v1", "v2"), ("copy", ":v1", "oci:x")):
        done = envlock(tmp_path, "--offline", *arguments)
        assert "[offline]\n  where: 127.0.0.1:1" in done.stderr
    (tmp_path / "envlock.toml").write_text(_IMAGES.replace("repository =", "# repository ="))
    assert "[no-repository]" in envlock(tmp_path, "which", ":v1").stderr


def test_a_limit_of_the_cache_is_read_before_anything_is_made(tmp_path: Path) -> None:
    """A build that ended well would otherwise end with an error."""
    (tmp_path / "envlock.toml").write_text(_IMAGES)
    for arguments in (("build",), ("push",), ("pull", "a"), ("cache",)):
        done = envlock(tmp_path, *arguments, ENVLOCK_CACHE_SIZE="much")
        assert (done.returncode, done.stdout) == (2, "")
        assert "[bad-size]\n  where: ENVLOCK_CACHE_SIZE" in done.stderr


def test_one_tag_is_not_given_to_two_images(tmp_path: Path) -> None:
    """The second would take it from the first."""
    (tmp_path / "envlock.toml").write_text(_IMAGES)
    done = envlock(tmp_path, "build", "a", "bare", "-t", "v1", "-o", "oci:images")
    assert done.returncode == 2
    assert "say of which environment" in done.stderr


def test_git_is_told_to_ignore_the_project_s_own_layouts(tmp_path: Path) -> None:
    """Also where nobody ran `envlock init`; what the user wrote there stays."""
    (tmp_path / "envlock.toml").write_text(_IMAGES)
    manifest = find_manifest(tmp_path)
    assert own_layout(manifest, "a") == ("oci", str(tmp_path / ".envlock" / "images" / "a"))
    ignore = tmp_path / ".envlock" / ".gitignore"
    assert ignore.read_text() == "*\n"
    ignore.write_text("images/\n")
    own_layout(manifest, "a")
    assert ignore.read_text() == "images/\n"
