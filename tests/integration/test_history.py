"""A team's history, told and gone back to: `log`, `run --at` and `status` in a real repository, without any network."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import TINY
from tests.integration.project import Project
from tests.unit.repositories import GitRepository
from tests.unit.wheels import make_wheel

VERSION = "import importlib.metadata as m, os; print(m.version('demo'), os.path.basename(os.getcwd()))"
GIT = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


class Team(Project):
    """A project whose lock moved from demo 1.0 (tag v1, Ana) to demo 2.0 (Ben)."""

    def __init__(self, folder: Path, cache: Path) -> None:
        python = f"{sys.version_info[0]}.{sys.version_info[1]}"
        super().__init__(folder, TINY.format(python=python), cache=cache)
        self.git = GitRepository(folder)
        (folder / "wheels").mkdir()
        make_wheel(folder / "wheels")
        self.ok("lock")
        self.git.commit("Lock", day=1)
        self.git.git("tag", "v1")
        make_wheel(folder / "wheels", version="2.0")
        self.ok("lock", "-U")
        self.git.commit("Take demo 2", author="Ben", day=2)
        self.ok("sync")

    def at(self, revision: str, *more: str) -> str:
        """Return what the version of demo is with the lock of a revision."""
        return self.ok("run", "--at", revision, *more, "--", "python", "-c", VERSION, environment=GIT).out.strip()


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Team:
    """Leave it as it was."""
    return Team(tmp_path_factory.mktemp("team") / "project", tmp_path_factory.mktemp("cache"))


def test_going_back(team: Team) -> None:
    """An earlier lock, today's files, an environment of its own; made once, and today's stays as it is."""
    first = team.run("run", "--at", "v1", "--", "python", "-c", VERSION, environment=GIT)
    assert (first.code, first.out) == (0, "1.0 project\n")
    (line,) = [line for line in first.err.splitlines() if "files are today's" in line]
    assert line.startswith("tiny as ")
    (place,) = (team.folder / ".envlock" / "at").glob("tiny-*")
    made = (place / "pyvenv.cfg").stat().st_mtime_ns
    assert team.at("HEAD~1") == "1.0 project"
    assert (place / "pyvenv.cfg").stat().st_mtime_ns == made
    assert team.ok("run", "--", "python", "-c", VERSION).out == "2.0 project\n"
    assert team.git.git("status", "--porcelain") == ""


def test_an_environment_that_somebody_changed_is_mended(team: Team) -> None:
    """Going back never means something in between."""
    assert team.at("v1") == "1.0 project"
    (place,) = (team.folder / ".envlock" / "at").glob("tiny-*")
    (folder,) = place.glob("lib/python*/site-packages/demo-1.0.dist-info")
    folder.rename(folder.with_name("demo-0.9.dist-info"))
    assert team.at("v1") == "1.0 project"


def test_what_cannot_be_gone_back_to(team: Team) -> None:
    """A revision that is none, one without a lock, and options that contradict it."""
    unknown = team.run("run", "--at", "v9", "--", "true", environment=GIT)
    assert (unknown.code, "[unknown-revision]" in unknown.err) == (2, True)
    missing = team.run("run", "other", "--at", "v1", "--", "true", environment=GIT)
    assert (missing.code, "envlock log other tells" in missing.err) == (2, True)
    mixed = team.run("run", "--at", "v1", "--venv", "x", "--", "true", environment=GIT)
    assert (mixed.code, "--at has an environment of its own" in mixed.err) == (2, True)


def test_the_story_of_a_clone(team: Team, tmp_path: Path) -> None:
    """`log` tells the same in every clone, and in a shallow one where it ends."""
    whole = Project(team.git.clone(tmp_path / "clone"), None, cache=team.cache)
    told = whole.ok("log", "--json", environment=GIT).json["chapters"]
    assert [(row["revision"]["author"], row["event"]) for row in told] == [("Ben", "changed"), ("Ana", "added")]
    (change,) = told[0]["changes"]
    assert (change["subject"], change["before"], change["after"]) == ("demo", "1.0", "2.0")
    assert told == team.ok("log", "--json", environment=GIT).json["chapters"]
    for words, number in ((("v1",), 1), (("tiny", "v1"), 1), (("v1..",), 1), (("HEAD", "-n", "2"), 2)):
        assert len(whole.ok("log", *words, "--json", environment=GIT).json["chapters"]) == number
    shallow = Project(team.git.clone(tmp_path / "shallow", "--depth", "1"), None, cache=team.cache)
    assert "git fetch --unshallow" in shallow.ok("log", environment=GIT).out
    refused = shallow.run("run", "--at", "HEAD~1", "--", "true", environment=GIT)
    assert (refused.code, "[shallow-clone]" in refused.err) == (2, True)


def test_status_from_the_first_to_the_last_step(team: Team) -> None:
    """In step, then verified here; the memory of it says nothing of this machine."""
    before = team.ok("--offline", "status", "--json").json["standings"][0]
    assert (before["lock"], before["venv"], before["next"]) == ("fresh", "in step", "envlock verify tiny")
    team.ok("verify")
    after = team.ok("--offline", "status", "--json").json["standings"][0]
    assert (after["verified"]["outcome"], after["verified"]["mode"], after["next"]) == ("match", "quick", "")
    assert sorted(after["verified"]) == ["lock", "mode", "outcome", "schema", "when"]


@pytest.mark.network
@pytest.mark.engine
def test_going_back_in_the_image(built: Project, engine: str, tmp_path: Path) -> None:
    """The image of an earlier lock, vouched for by that commit's envlock.sum; today's is not written to."""
    folder = tmp_path / "project"
    shutil.copytree(built.folder, folder, ignore=shutil.ignore_patterns(".envlock", ".venv"))
    git = GitRepository(folder)
    git.commit("Lock and build")
    project = Project(folder, None, cache=built.cache)
    for path in (folder / "lockfiles").glob("*"):
        path.unlink()
    git.commit("Start anew")
    script = "import yaml, os; print(yaml.__version__, os.path.exists('envlock.toml'))"
    done = project.ok(
        *("run", "--at", "HEAD~1", "--image", "--network", "none", "--", "python", "-c", script),
        environment={"DOCKER_HOST": engine} | GIT,
    )
    assert done.out == "6.0.2 True\n"
    assert "in its image; the files are today's" in done.err
    assert git.git("status", "--porcelain") == ""
