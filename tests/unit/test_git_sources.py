"""What git says of an image's files, and where its history holds a lock: real repositories, real git."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from envlock.adapters.git_sources import GitHistory, allowed_signers, checkout_of, source_of
from envlock.errors import UsageError
from envlock.model.observation import Unknown
from envlock.model.provenance import Held, Source
from envlock.model.report import Checkout


class Repository:
    """A project in a folder of a repository."""

    def __init__(self, root: Path, project: str = "project") -> None:
        self.root = root
        self.project = root / project
        self.lock = self.project / "lockfiles" / "pylock.demo.toml"
        self.manifest = self.project / "envlock.toml"
        self.lock.parent.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        self.write("first")

    def git(self, *arguments: str) -> str:
        settings = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            ["git", "-C", str(self.root), *settings, *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def write(self, lock: str) -> None:
        self.lock.write_text(lock)
        self.manifest.write_text("[env.demo]\n")

    def commit(self) -> str:
        self.git("add", "--all")
        self.git("commit", "-q", "--allow-empty", "-m", "x")
        return self.git("rev-parse", "HEAD")

    def source(self, *others: Path) -> Source:
        found = source_of(self.lock, [self.manifest, *others])
        assert isinstance(found, Source)
        return found


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """Without this machine's configuration of git."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    return Repository(tmp_path / "repo")


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_the_commit_is_the_newest_that_changed_what_the_image_is_made_of(repository: Repository) -> None:
    """Work on other files gives an image that stays the same no second statement."""
    first = repository.commit()
    (repository.root / "README").write_text("x")
    repository.commit()
    expected = Source(
        commit=first,
        dirty=False,
        lock_committed=True,
        lock_path="project/lockfiles/pylock.demo.toml",
        tree_dirty=False,
    )
    assert repository.source() == expected
    repository.manifest.write_text("[env.demo]\n# x\n")
    assert repository.source().dirty
    assert repository.source().commit == first
    assert repository.commit() == repository.source().commit


def test_changes_elsewhere_are_told_apart(repository: Repository) -> None:
    """The work tree may be dirty where the image is not."""
    (repository.root / "README").write_text("x")
    repository.commit()
    (repository.root / "README").write_text("y")
    found = repository.source()
    assert (found.dirty, found.tree_dirty) == (False, True)
    (repository.root / "notes").write_text("untracked")
    repository.git("checkout", "-q", "README")
    assert not repository.source().tree_dirty


def test_a_lock_that_is_not_committed_is_said(repository: Repository) -> None:
    """Its bytes are not those of the commit."""
    repository.commit()
    repository.write("second")
    found = repository.source()
    assert (found.dirty, found.lock_committed) == (True, False)
    repository.git("add", "--all")
    assert not repository.source().lock_committed


def test_files_of_the_image_that_git_does_not_have_are_dirt(repository: Repository) -> None:
    """New files, ignored ones and generated ones are in the image and in no commit; names may be any."""
    code = repository.project / "src" / "*.py"
    code.parent.mkdir()
    code.write_text("x = 1\n")
    (repository.root / ".gitignore").write_text("_version.py\n")
    commit = repository.commit()
    assert repository.source(code) == repository.source()
    assert repository.source(code).commit == commit
    assert not repository.source(code).dirty
    generated = code.with_name("_version.py")
    generated.write_text("1\n")
    assert repository.source(code, generated).dirty
    assert not repository.source(code).dirty
    code.write_text("x = 2\n")
    assert repository.source(code).dirty
    assert not repository.source().dirty


def test_many_files_are_asked_for_by_their_folders(repository: Repository) -> None:
    """No command line is too long."""
    files = [repository.project / "src" / f"{number}.py" for number in range(700)]
    files[0].parent.mkdir()
    for file in files:
        file.write_text("")
    repository.commit()
    assert not repository.source(*files).dirty
    files[699].write_text("x")
    assert repository.source(*files).dirty


def test_without_a_repository_there_is_a_reason(tmp_path: Path, repository: Repository) -> None:
    """No repository, no commit and a repository of somebody else are no error."""
    found = source_of(repository.lock)
    assert found == Unknown(reason="The repository has no commit yet.")
    lonely = tmp_path / "lonely.toml"
    lonely.write_text("")
    found = source_of(lonely)
    assert isinstance(found, Unknown)
    assert found.reason == "This folder is in no git repository."
    repository.commit()
    if os.geteuid() == 0:
        os.chown(repository.root, 12345, 12345)
        os.chown(repository.root / ".git", 12345, 12345)
        found = source_of(repository.lock)
        assert isinstance(found, Unknown)
        assert "another user" in found.reason
        assert "safe.directory" in found.hint


def test_git_is_not_needed(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """GitPython refuses to be imported where there is no git."""
    monkeypatch.setitem(__import__("sys").modules, "git", None)
    found = source_of(repository.lock)
    assert found == Unknown(
        reason="git is not installed on this machine.", hint="Install git, which keeps the history."
    )
    assert allowed_signers(repository.root) is None


def test_history_finds_a_lock_by_its_digest(repository: Repository) -> None:
    """On any branch, under any environment's name, the newest commit that brought it."""
    first = repository.commit()
    repository.write("second")
    repository.commit()
    repository.write("first")
    again = repository.commit()
    repository.git("checkout", "-q", "-b", "side")
    other = repository.lock.with_name("pylock.other.toml")
    other.write_text("third")
    side = repository.commit()
    repository.git("checkout", "-q", "main")
    history = GitHistory(repository.lock.parent)
    assert history.holding(sha256("first")) == Held(commit=again, path="project/lockfiles/pylock.demo.toml")
    assert history.holding(sha256("third")) == Held(commit=side, path="project/lockfiles/pylock.other.toml")
    assert history.holding(sha256("never")) is None
    assert history.lock_at(first, "project/lockfiles/pylock.demo.toml") == sha256("first")
    assert history.lock_at("0" * 40, "project/lockfiles/pylock.demo.toml") is None


def test_a_kept_report_is_no_other_code(repository: Repository) -> None:
    """Teammates who each commit their report, and whose signatures count, still ran the same commit."""
    first = repository.commit()
    reports = repository.lock.parent / "reports" / "demo"
    reports.mkdir(parents=True)
    (reports / "ana.json").write_text("{}")
    (repository.lock.parent / "allowed_signers").write_text("ana")
    repository.commit()
    (reports / "ana.json").write_text("{ }")
    assert checkout_of(repository.project) == Checkout(commit=first, dirty=False, root=first)
    (repository.root / "train.py").write_text("x")
    second = repository.commit()
    repository.write("second")
    assert checkout_of(repository.project) == Checkout(commit=second, dirty=True, root=first)


def test_history_of_a_project_at_the_top(tmp_path: Path, repository: Repository) -> None:
    """A repository that is the project, and a folder with characters that patterns know."""
    for place in (".", "[a]*"):
        project = Repository(tmp_path / f"top{place}", place)
        commit = project.commit()
        path = f"{place}/lockfiles/pylock.demo.toml".removeprefix("./")
        assert GitHistory(project.lock.parent).holding(sha256("first")) == Held(commit=commit, path=path)


def test_no_repository_no_history(tmp_path: Path) -> None:
    """It is for the caller to go on without."""
    with pytest.raises(UsageError) as caught:
        GitHistory(tmp_path)
    assert caught.value.reference == "no-git-repository"


def test_allowed_signers_are_those_of_git(repository: Repository, tmp_path: Path) -> None:
    """Where git's configuration names a file."""
    assert allowed_signers(repository.root) is None
    repository.git("config", "gpg.ssh.allowedSignersFile", str(tmp_path / "signers"))
    assert allowed_signers(repository.root) == tmp_path / "signers"
