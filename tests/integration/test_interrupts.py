"""Ctrl-C and full disks leave nothing half-written, and the next run works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.project import Project

pytestmark = pytest.mark.network


def leftovers(folder: Path) -> list[str]:
    """Return what an interrupted command must not leave: parts, and files outside the cache and the project's own."""
    return [str(path) for path in folder.rglob("*") if path.name.endswith(".part")]


def test_interrupted_build_runs_again(tmp_path: Path, built: Project) -> None:
    """Whenever Ctrl-C comes, build ends soon with 130 (or had finished), and building again gives the same digest.

    Each one goes on where the last one was interrupted.
    """
    project = Project(tmp_path / "project", cache=tmp_path / "cache")
    project.lock_path().parent.mkdir(exist_ok=True)
    project.lock_path().write_bytes(built.lock_path().read_bytes())
    for after in (0.5, 1.5, 3.0):
        process = subprocess.Popen(
            [sys.executable, "-m", "envlock", "build"],
            cwd=project.folder,
            env=os.environ | {"ENVLOCK_CACHE_DIR": str(tmp_path / "cache")},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        time.sleep(after)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
        # Where Ctrl-C hits an exec of a string, as dataclasses have one, python -m ends by the signal itself when we
        # exit with 130; a shell tells 130 of both.
        assert process.returncode in (0, 130, -signal.SIGINT), said
        assert "Traceback" not in said
        assert leftovers(tmp_path) == []
    assert project.ok("build", "--json").json["images"] == built.run("build", "--json").json["images"]


def test_full_disk(tmp_path: Path, built: Project) -> None:
    """No space: exit 2, a message, and no layer under its name."""
    project = Project(tmp_path / "project", cache=tmp_path / "cache")
    project.lock_path().parent.mkdir(exist_ok=True)
    project.lock_path().write_bytes(built.lock_path().read_bytes())
    script = f"mount -t tmpfs -o size=6m none {tmp_path / 'cache'} && exec {sys.executable} -m envlock build"
    (tmp_path / "cache").mkdir()
    result = project.run_command("unshare", "-Urm", "sh", "-c", script)
    assert result.code == 2, result.err
    assert "disk is full" in result.err
