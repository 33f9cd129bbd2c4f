"""Locks in git: merges that relock, and conflicts that `envlock lock` resolves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.index_server import IndexServer, serve_index
from tests.integration.project import Project
from tests.unit.wheels import make_wheel

MANIFEST = """\
[[index]]
name = "local"
url = "{url}"
default = true

[env.small]
python = "3.11"
urls = "omit"
dependencies = [
    "bear",
    "cat",
    "dog",
    "elk",
]
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IndexServer]:
    """An index with a small zoo."""
    folder = tmp_path_factory.mktemp("wheels")
    for name in ("ant", "bear", "cat", "dog", "elk", "fox"):
        for version in ("1.0", "2.0"):
            make_wheel(folder, name=name, version=version)
    with serve_index(folder) as server:
        yield server


class Repository(Project):
    """A project in a git repository, whose merge driver is this envlock."""

    @classmethod
    def begin(cls, folder: Path, index: IndexServer, *, cache: Path) -> Repository:
        """Make a repository with one lock."""
        repository = cls(folder, MANIFEST.format(url=index.url), cache=cache)
        repository.git("init", "-q", "-b", "main")
        repository.ok("lock")
        repository.ok("merge-driver", "--install")
        repository.commit("Begin")
        return repository

    def git(self, *arguments: str, code: int = 0) -> str:
        """Run git here."""
        identity = {
            f"GIT_{who}_{what}": "a@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = identity | {"PATH": path, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        result = self.run_command("git", *arguments, environment=environment)
        assert result.code == code, result.err + result.out
        return result.out + result.err

    def commit(self, message: str) -> None:
        """Commit everything."""
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)

    def branches(self) -> None:
        """Let two branches each add a package."""
        self.git("checkout", "-q", "-b", "topic")
        self.ok("add", "ant")
        self.commit("Add ant")
        self.git("checkout", "-q", "main")
        self.ok("add", "fox")
        self.commit("Add fox")

    def edit(self, before: str, after: str) -> None:
        """Replace text of the manifest."""
        path = self.folder / "envlock.toml"
        path.write_text(path.read_text("utf-8").replace(before, after), "utf-8")

    def lock_from_scratch(self, folder: Path) -> bytes:
        """Return the lock of this manifest as a folder without history gets it."""
        fresh = Project(folder, (self.folder / "envlock.toml").read_text("utf-8"), cache=self.cache)
        fresh.ok("lock")
        return fresh.lock_path().read_bytes()

    @property
    def pins(self) -> list[str]:
        """What the lock pins."""
        lines = self.lock_path().read_text("utf-8").splitlines()
        return [
            line.split('"')[1] + "==" + lines[number + 1].split('"')[1]
            for number, line in enumerate(lines)
            if line.startswith("name = ")
        ]


@pytest.fixture(scope="module")
def beginning(tmp_path_factory: pytest.TempPathFactory, index: IndexServer) -> Repository:
    """What every test begins with."""
    return Repository.begin(tmp_path_factory.mktemp("project"), index, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture
def repository(tmp_path: Path, beginning: Repository) -> Repository:
    """A repository with one lock."""
    shutil.copytree(beginning.folder, tmp_path / "project")
    return Repository(tmp_path / "project", None, cache=beginning.cache)


@pytest.mark.parametrize(
    "steps",
    [
        [("merge", "-q", "topic", "-m", "Merge")],
        [("cherry-pick", "topic")],
        [("checkout", "-q", "topic"), ("rebase", "-q", "main")],
        [("merge", "-q", "--squash", "topic")],
        [("merge", "-q", "-s", "recursive", "topic", "-m", "Merge")],
    ],
    ids=["merge", "cherry-pick", "rebase", "squash", "recursive"],
)
def test_branches_that_each_add_a_package(repository: Repository, tmp_path: Path, steps: list[tuple[str, ...]]) -> None:
    """The merged lock equals one made from scratch, byte for byte."""
    repository.branches()
    for step in steps:
        repository.git(*step)
    assert repository.pins == [f"{name}==2.0" for name in ("ant", "bear", "cat", "dog", "elk", "fox")]
    assert repository.lock_path().read_bytes() == repository.lock_from_scratch(tmp_path / "scratch")
    assert repository.ok("lock", "--check").out == "small: the lock is fresh\n"


def test_lock_made_on_both_sides(repository: Repository, tmp_path: Path) -> None:
    """Two branches that each make the first lock of an environment: there is no ancestor."""
    repository.git("checkout", "-q", "-b", "topic")
    repository.edit("[env.small]", '[env.other]\npython = "3.11"\ndependencies = ["cat"]\n\n[env.small]')
    repository.ok("lock", "other")
    repository.commit("Other")
    repository.git("checkout", "-q", "main")
    repository.edit("[env.small]", '[env.other]\npython = "3.11"\ndependencies = ["cat"]\n\n[env.small]')
    repository.ok("lock", "other", "-P", "cat==1.0")
    repository.commit("Other too")
    repository.git("merge", "-q", "topic", "-m", "Merge")
    assert b'version = "2.0"' in repository.lock_path("other").read_bytes()
    repository.ok("lock", "--check")


def test_stash(repository: Repository) -> None:
    """A stashed requirement comes back into a branch that moved on."""
    repository.ok("add", "ant")
    repository.git("stash", "-q")
    repository.ok("add", "fox")
    repository.commit("Add fox")
    repository.git("stash", "pop", "-q")
    assert [pin.partition("==")[0] for pin in repository.pins] == ["ant", "bear", "cat", "dog", "elk", "fox"]
    repository.ok("lock", "--check")


def test_revert(repository: Repository) -> None:
    """A reverted commit takes its package with it and leaves what came later."""
    repository.ok("add", "ant")
    repository.commit("Add ant")
    repository.ok("add", "fox")
    repository.commit("Add fox")
    repository.git("revert", "--no-edit", "HEAD~1")
    assert [pin.partition("==")[0] for pin in repository.pins] == ["bear", "cat", "dog", "elk", "fox"]
    repository.ok("lock", "--check")


def test_pins_that_one_side_moved_stay(repository: Repository) -> None:
    """A downgrade on one branch survives what the other one adds."""
    repository.git("checkout", "-q", "-b", "topic")
    repository.ok("lock", "-P", "cat==1.0")
    repository.commit("Hold cat back")
    repository.git("checkout", "-q", "main")
    repository.ok("add", "fox")
    repository.commit("Add fox")
    repository.git("merge", "-q", "topic", "-m", "Merge")
    assert repository.pins == ["bear==2.0", "cat==1.0", "dog==2.0", "elk==2.0", "fox==2.0"]


def test_requirements_file_is_merged_too(repository: Repository) -> None:
    """What `from` includes counts as git merges it, in a folder of its own too."""
    folder = repository.folder / "needs"
    folder.mkdir()
    (repository.folder / "requirements.txt").write_text("-r needs/all.txt\n", "utf-8")
    listed = folder / "all.txt"
    listed.write_text("bear\n\n\ncat\n\n\ndog\n", "utf-8")
    repository.edit('dependencies = [\n    "bear",\n    "cat",\n    "dog",\n    "elk",\n]', 'from = "requirements.txt"')
    repository.ok("lock")
    repository.commit("Use a file")
    repository.git("checkout", "-q", "-b", "topic")
    listed.write_text("ant\nbear\n\n\ncat\n\n\ndog\n", "utf-8")
    repository.ok("lock")
    repository.commit("Add ant")
    repository.git("checkout", "-q", "main")
    listed.write_text("bear\n\n\ncat\n\n\ndog\nfox\n", "utf-8")
    repository.ok("lock")
    repository.commit("Add fox")
    repository.git("merge", "-q", "topic", "-m", "Merge")
    assert [pin.partition("==")[0] for pin in repository.pins] == ["ant", "bear", "cat", "dog", "fox"]
    repository.ok("lock", "--check")


def test_manifest_in_a_folder_of_the_repository(repository: Repository) -> None:
    """The manifest need not stand at the root."""
    (repository.folder / "inner").mkdir()
    for name in ("envlock.toml", "lockfiles", ".gitattributes"):
        repository.git("mv", name, f"inner/{name}")
    repository.commit("Move")
    repository.folder /= "inner"
    repository.branches()
    repository.git("merge", "-q", "topic", "-m", "Merge")
    assert [pin.partition("==")[0] for pin in repository.pins] == ["ant", "bear", "cat", "dog", "elk", "fox"]


def test_manifest_in_conflict(repository: Repository, tmp_path: Path) -> None:
    """The lock keeps both sides in markers until the manifest is resolved; then `lock` resolves it."""
    repository.git("checkout", "-q", "-b", "topic")
    repository.edit('    "cat",\n', '    "cat==1.0",\n')
    repository.ok("lock")
    repository.commit("Old cat")
    repository.git("checkout", "-q", "main")
    repository.edit('    "cat",\n', '    "cat<2",\n    "fox",\n')
    repository.ok("lock")
    repository.commit("Other old cat")
    said = repository.git("merge", "topic", "-m", "Merge", code=1)
    assert "envlock.toml is changed on both sides" in said
    assert "<<<<<<<" in repository.lock_path().read_text("utf-8")
    stopped = repository.run("lock")
    assert (stopped.code, "The manifest has conflict markers" in stopped.err) == (2, True)
    check = repository.run("lock", "--check")
    assert check.code == 2
    text = (repository.folder / "envlock.toml").read_text("utf-8")
    kept = [line for line in text.splitlines() if not line.startswith(("<<<<<<<", "=======", ">>>>>>>"))]
    (repository.folder / "envlock.toml").write_text("\n".join(kept) + "\n", "utf-8")
    unresolved = repository.run("lock", "--check")
    assert "The lock has conflict markers" in unresolved.err
    repository.ok("lock")
    assert repository.pins == ["bear==2.0", "cat==1.0", "dog==2.0", "elk==2.0", "fox==2.0"]
    assert repository.lock_path().read_bytes() == repository.lock_from_scratch(tmp_path / "scratch")
    repository.commit("Merge")


def test_lock_resolves_conflict_markers_without_the_driver(repository: Repository) -> None:
    """Without the driver git leaves markers; unasked pins of both sides stay."""
    repository.git("config", "--remove-section", "merge.envlock")
    repository.git("checkout", "-q", "-b", "topic")
    repository.ok("lock", "-P", "dog==1.0")
    repository.ok("add", "ant==1.0")
    repository.commit("Topic")
    repository.git("checkout", "-q", "main")
    repository.ok("add", "fox==1.0")
    repository.commit("Main")
    repository.git("merge", "topic", "-m", "Merge", code=1)
    repository.ok("lock")
    assert repository.pins == ["ant==1.0", "bear==2.0", "cat==2.0", "dog==1.0", "elk==2.0", "fox==1.0"]


def test_edited_lock(repository: Repository) -> None:
    """An edit by hand is named by its table; `lock` keeps the pins and finds the rest out anew."""
    before = repository.lock_path().read_bytes()
    digest = before.partition(b'sha256 = "')[2][:8]
    repository.lock_path().write_bytes(before.replace(digest, b"00000000", 1))
    refused = repository.run("lock", "--check")
    assert refused.code == 4
    assert "pylock.small.toml: [[packages]]" in refused.err
    repository.ok("lock")
    assert repository.lock_path().read_bytes() == before


def test_newer_lock_is_left_alone(repository: Repository) -> None:
    """A lock of a newer schema is no starting point and is not replaced."""
    raw = repository.lock_path().read_bytes().replace(b"schema = 1", b"schema = 2")
    repository.lock_path().write_bytes(raw)
    for arguments in (["lock"], ["lock", "--check"]):
        refused = repository.run(*arguments)
        assert refused.code == 2
        assert "newer envlock" in refused.err
    assert repository.lock_path().read_bytes() == raw


def test_add_that_cannot_be_locked_changes_nothing(repository: Repository) -> None:
    """Manifest and lock are as before."""
    manifest, lock = (
        (repository.folder / name).read_bytes() for name in ("envlock.toml", "lockfiles/pylock.small.toml")
    )
    refused = repository.run("add", "gnu")
    assert refused.code == 2
    assert "envlock.toml is as it was before" in refused.err
    assert (repository.folder / "envlock.toml").read_bytes() == manifest
    assert repository.lock_path().read_bytes() == lock
    assert repository.git("status", "--short") == ""


def test_install_twice(repository: Repository) -> None:
    """The driver is installed once, whatever is called how often."""
    before = (repository.folder / ".gitattributes").read_text("utf-8")
    repository.ok("merge-driver", "--install")
    assert (repository.folder / ".gitattributes").read_text("utf-8") == before
    assert (
        subprocess.run(
            ["git", "config", "merge.envlock.driver"], cwd=repository.folder, capture_output=True, text=True, check=True
        ).stdout
        == "envlock merge-driver %O %A %B %P\n"
    )
