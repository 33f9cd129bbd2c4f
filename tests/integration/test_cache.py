"""`envlock cache` on the cache of a real build, beside builds that run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.project import Project
from tests.integration.test_determinism import elsewhere, index_of

pytestmark = pytest.mark.network


@pytest.fixture
def project(built: Project, tmp_path: Path) -> Project:
    """A checkout with a cache of its own: all artifacts and layers, no root."""
    mine = elsewhere(built, tmp_path)
    assert built.cache is not None
    assert mine.cache is not None
    shutil.copytree(built.cache / "layers", mine.cache / "layers")
    return mine


def cache_of(project: Project) -> Path:
    assert project.cache is not None
    return project.cache


def test_show_says_what_there_is(project: Project) -> None:
    """By kind, in bytes; `cache dir` is for scripts."""
    shown = project.ok("cache", "show", "--json").json
    assert shown["directory"] == str(project.cache)
    layers = list((cache_of(project) / "layers").glob("*/blob"))
    assert shown["kinds"]["layers"]["items"] == len(layers)
    assert shown["kinds"]["layers"]["bytes"] >= sum(blob.stat().st_size for blob in layers)
    assert shown["kinds"]["leftovers"]["items"] == 0
    assert shown["limit"] == 20_000_000_000
    assert project.ok("cache", "dir").out == f"{project.cache}\n"
    text = project.ok("cache", environment={"ENVLOCK_CACHE_SIZE": "3GiB"}).out
    assert "layers of images" in text
    assert text.endswith("What was made here or pulled stays below 3.2 GB.\n")


def test_damage_is_found_mended_and_reaches_no_image(built: Project, project: Project) -> None:
    """Exit 4 names it, --fix removes it, and the next build makes it again."""
    digest = index_of(built, sys.executable)
    assert project.run("cache", "verify").code == 0
    blob = min((cache_of(project) / "layers").glob("*/blob"), key=lambda path: path.stat().st_size)
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    found = project.run("cache", "verify")
    assert found.code == 4
    assert f"damaged: layers/{blob.parent.name}" in found.out
    fixed = project.run("cache", "verify", "--fix", "--json")
    assert fixed.code == 0
    assert [damage["removed"] for damage in fixed.json["damaged"]] == [True]
    assert project.ok("cache", "verify").out.endswith("all whole\n")
    assert index_of(project, sys.executable) == digest


def test_a_copied_cache_is_no_forgery(built: Project, project: Project) -> None:
    """Roots are known by inode and times, which no copy keeps: exit 1, and they are unpacked again when needed."""
    digest = index_of(built, sys.executable)
    assert built.cache is not None
    copied = cache_of(project).with_name("copied")
    copied.mkdir()
    subprocess.run(["cp", "-a", built.cache / "files", built.cache / "roots", copied], check=True)
    copy = Project(project.folder, None, cache=copied)
    assert copy.run("cache", "verify").code == 1
    assert index_of(copy, sys.executable) == digest
    assert copy.run("cache", "verify").code == 0


def test_nothing_goes_from_under_a_build(built: Project, project: Project) -> None:
    """prune --all over and over while a build runs: it ends with the right digest."""
    digest = index_of(built, sys.executable)
    shutil.rmtree(cache_of(project) / "layers")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ENVLOCK_")}
    environment["ENVLOCK_CACHE_DIR"] = str(project.cache)
    command = [sys.executable, "-m", "envlock", "build", "--json"]
    with subprocess.Popen(
        command, cwd=project.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as building:
        leases = cache_of(project) / "locks"
        while building.poll() is None and not list(leases.glob("*.lease")):
            time.sleep(0.02)
        while building.poll() is None:
            project.ok("cache", "prune", "--all")
        out, err = building.communicate()
    assert building.returncode == 0, err
    assert digest in out
    assert project.run("cache", "verify").code == 0


def test_what_killed_builds_left_is_cleared_away(built: Project, project: Project) -> None:
    """verify is clean whenever one was killed, prune leaves nothing unfinished, and the next build is right."""
    digest = index_of(built, sys.executable)
    shutil.rmtree(cache_of(project) / "layers")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ENVLOCK_")}
    environment["ENVLOCK_CACHE_DIR"] = str(project.cache)
    command = [sys.executable, "-m", "envlock", "build"]
    quiet = subprocess.DEVNULL
    for seconds in (0.8, 2.5):
        with subprocess.Popen(command, cwd=project.folder, env=environment, stdout=quiet, stderr=quiet) as building:
            time.sleep(seconds)
            building.send_signal(signal.SIGKILL)
        assert project.run("cache", "verify").code == 0
        project.ok("cache", "prune")
        assert project.ok("cache", "show", "--json").json["kinds"]["leftovers"]["items"] == 0
    assert index_of(project, sys.executable) == digest


def test_the_limit_holds_for_what_was_made(project: Project) -> None:
    """The longest unused layers go, files stay; another limit, and none at all."""
    before = project.ok("cache", "show", "--json").json["kinds"]
    for limit in ("none", "100GB"):
        project.ok("cache", "prune", environment={"ENVLOCK_CACHE_SIZE": limit})
    assert project.ok("cache", "show", "--json").json["kinds"] == before
    project.ok("cache", "prune", environment={"ENVLOCK_CACHE_SIZE": "1kB"})
    after = project.ok("cache", "show", "--json").json["kinds"]
    assert after["layers"]["items"] == 0
    assert after["files"] == before["files"]
    project.ok("cache", "prune", "--keep", "0")
    assert project.ok("cache", "show", "--json").json["bytes"] == 0


@pytest.mark.parametrize("arguments", [("prune", "--keep", "much"), ("show",)])
def test_no_size(project: Project, arguments: tuple[str, ...]) -> None:
    """Named with examples, wherever it was given."""
    done = project.run("cache", *arguments, environment={"ENVLOCK_CACHE_SIZE": "20XB"})
    assert done.code == 2
    assert "[bad-size]" in done.err
