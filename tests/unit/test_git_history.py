"""Commits and files of a project's history, and each way in which there may be none: real repositories, real git."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from envlock.adapters.git_answers import GitAnswers
from envlock.adapters.git_history import GitRevisions
from envlock.errors import UsageError
from tests.unit.repositories import GitRepository


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)


class Written:
    """A project below the top of a repository, whose lock has two versions and a side branch's."""

    def __init__(self, root: Path) -> None:
        self.repository = GitRepository(root)
        self.project = root / "project é"
        self.lock = self.project / "lockfiles" / "pylock.demo.toml"
        self.lock.parent.mkdir(parents=True)
        self.first = self.write("one\r\n", "First", author="Ana", day=1)
        (root / "README").write_text("x")
        self.between = self.repository.commit("Nothing of the lock", day=2)
        self.second = self.write("two\n", "Second\n\nwith a body", author="Ben", day=3)
        self.repository.git("tag", "v2", self.second)
        self.repository.git("tag", "-a", "-m", "x", "annotated", self.first)

    def write(self, text: str, subject: str, *, author: str = "Ana", day: int = 1) -> str:
        self.lock.write_bytes(text.encode())
        return self.repository.commit(subject, author=author, day=day)

    def subjects(self, start: str = "HEAD") -> list[str]:
        return [found.subject for found in GitRevisions(self.project).changes_of(self.lock, start)]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path / "repository")


def _refused(folder: Path, text: str = "HEAD") -> UsageError:
    with pytest.raises(UsageError) as caught:
        GitRevisions(folder).resolve(text)
    return caught.value


def test_a_revision_is_its_commit(written: Written) -> None:
    """By branch, tag, annotated tag, prefix and ancestry; with author, time with offset, subject, and names."""
    revisions = GitRevisions(written.project)
    found = revisions.resolve("HEAD")
    assert (found.commit, found.author, found.subject) == (written.second, "Ben", "Second")
    assert (found.when, found.names) == ("2025-03-03T09:30:00+01:00", ("main", "v2"))
    assert revisions.resolve("annotated").names == ("annotated",)
    for text in ("annotated", written.first[:10], "HEAD~2", "v2~2"):
        assert revisions.resolve(text).commit == written.first


def test_authors_are_called_as_mailmap_has_it(written: Written) -> None:
    """And never by their address."""
    (written.repository.folder / ".mailmap").write_text("Benjamin Ö <ben@example.com>\n")
    assert GitRevisions(written.project).resolve("v2").author == "Benjamin Ö"


def test_files_as_a_commit_has_them(written: Written) -> None:
    """Byte for byte, line ends included; None where there is no such file, or it is outside of the repository."""
    revisions = GitRevisions(written.project)
    assert revisions.file_at(written.first, written.lock) == b"one\r\n"
    assert revisions.file_at("v2", written.lock) == b"two\n"
    assert revisions.file_at("v2", written.project / "nothing") is None
    assert revisions.file_at("v2", written.lock.parent) is None
    assert revisions.file_at("v2", Path("/etc/passwd")) is None
    assert revisions.files_at("v2", written.lock.parent) == ("pylock.demo.toml",)
    assert revisions.files_at("v2", written.repository.folder) == ("README",)
    assert revisions.files_at("v2", written.project / "nothing") == ()
    assert revisions.files_at("v2", Path("/etc")) == ()


def test_the_commits_that_changed_a_file(written: Written) -> None:
    """Newest first, from a revision or in a range; those of other files are left out."""
    assert written.subjects() == ["Second", "First"]
    assert written.subjects("HEAD~1") == ["First"]
    assert written.subjects("annotated..") == written.subjects(f"{written.between}..v2") == ["Second"]
    assert written.subjects("v2..HEAD") == []
    assert next(GitRevisions(written.project).changes_of(written.lock)).subject == "Second"


def test_a_merge_that_takes_a_side_is_told_by_that_side(written: Written) -> None:
    """Who changed the lock is who wrote it, not who pressed the button; a merge that made a new lock is told."""
    git = written.repository.git
    git("checkout", "-q", "-b", "side")
    written.write("side\n", "On the side", author="Cleo", day=4)
    git("checkout", "-q", "main")
    (written.repository.folder / "README").write_text("y")
    written.repository.commit("Meanwhile", day=5)
    git("merge", "-q", "--no-ff", "-m", "Merge side", "side")
    assert written.subjects() == ["On the side", "Second", "First"]


def test_a_branch_without_a_commit(tmp_path: Path) -> None:
    """It is unborn, which is no unknown revision."""
    GitRepository(tmp_path / "new")
    error = _refused(tmp_path / "new")
    assert (error.reference, "git commit" in error.hint) == ("unborn-branch", True)


def test_a_shallow_clone(written: Written, tmp_path: Path) -> None:
    """What it does not reach may be there elsewhere, and it knows where it ends."""
    clone = written.repository.clone(tmp_path / "shallow", "--depth", "2")
    revisions = GitRevisions(clone)
    assert revisions.shallow
    assert [revisions.cut_off_at(commit) for commit in (written.second, written.between)] == [False, True]
    for text in (written.first, "HEAD~2", "annotated"):
        error = _refused(clone, text)
        assert (error.reference, "git fetch --unshallow" in error.hint) == ("shallow-clone", True)
    whole = GitRevisions(written.project)
    assert (whole.shallow, whole.cut_off_at(written.first)) == (False, False)


def test_a_detached_head(written: Written) -> None:
    """It is a commit like any; what only a branch has is unknown."""
    written.repository.git("checkout", "-q", "--detach", "HEAD~1")
    assert GitRevisions(written.project).resolve("HEAD").commit == written.between
    assert _refused(written.project, "@{upstream}").reference == "unknown-revision"


@pytest.mark.parametrize("text", ["nope", "", "-n1", "--all", "HEAD:README", "v2..HEAD", "HEAD~9", "\x1b[2J"])
def test_what_is_no_revision(written: Written, text: str) -> None:
    """Options and objects that are no commits are none either."""
    assert _refused(written.project, text).reference == "unknown-revision"


def test_a_mistyped_tag_is_guessed(written: Written) -> None:
    """The nearest branch or tag is named."""
    assert _refused(written.project, "anotated").hint == "Did you mean 'annotated'?"


def test_no_repository_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None, a bare one, and no git are told apart, each with what to do."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    error = _refused(tmp_path)
    assert (error.reference, error.hint) == ("no-git-repository", "git init")
    bare = tmp_path / "bare"
    GitRepository(tmp_path / "x").git("init", "-q", "--bare", str(bare))
    assert _refused(bare).hint == "Work in a clone: git clone"
    monkeypatch.setitem(sys.modules, "git", None)
    assert _refused(tmp_path).reference == "no-git"


@pytest.mark.skipif(os.name == "nt" or os.getuid() != 0, reason="only root gives folders away")
def test_a_repository_of_another_user(written: Written) -> None:
    """git refuses to read it, and says why."""
    os.chown(written.repository.folder, 12345, 12345)
    error = _refused(written.project)
    assert (error.reference, "safe.directory" in error.hint) == ("foreign-repository", True)


def test_a_second_work_tree(written: Written, tmp_path: Path) -> None:
    """It has the same history."""
    written.repository.git("worktree", "add", "-q", str(tmp_path / "second"), "v2")
    revisions = GitRevisions(tmp_path / "second" / "project é")
    assert revisions.file_at("HEAD~2", tmp_path / "second" / "project é/lockfiles/pylock.demo.toml") == b"one\r\n"


def test_a_repository_that_is_damaged(written: Written) -> None:
    """A history that breaks off is an error, never a shorter history."""
    git_folder = written.repository.folder / ".git" / "objects"
    (git_folder / written.first[:2] / written.first[2:]).unlink()
    with pytest.raises(UsageError, match="could not read") as caught:
        written.subjects()
    assert caught.value.reference == "git-failed"


def test_an_answer_that_nobody_reads_to_its_end(written: Written) -> None:
    """git is ended with the iterator."""
    from git import Repo

    with Repo(written.repository.folder) as repo:
        lines = GitAnswers(repo).lines("log", "--format=%s")
        assert next(lines) == "Second"
        lines.close()


def test_links_of_a_commit_lead_where_they_do_there(written: Written) -> None:
    """A folder that is a link today hides no earlier lock, and is followed in the commits that have it."""
    repository, folder = written.repository, written.lock.parent
    before = repository.git("rev-parse", "HEAD")
    held = GitRevisions(written.project).file_at(before, written.lock)
    folder.rename(repository.folder / "away")
    folder.symlink_to("../away")
    repository.commit("Move the locks")
    (repository.folder / "away" / written.lock.name).write_bytes(b"moved\n")
    now = repository.commit("Change one there")
    revisions = GitRevisions(written.project)
    assert held is not None
    assert revisions.file_at(before, written.lock) == held
    assert revisions.file_at(now, written.lock) == b"moved\n"
    assert revisions.files_at(before, folder) == revisions.files_at(now, folder) == (written.lock.name,)


@pytest.mark.parametrize("target", ["/etc", "../../..", "lockfiles", "nowhere"])
def test_links_that_lead_nowhere(written: Written, target: str) -> None:
    """Out of the repository, to themselves, or to nothing: there is no such file."""
    folder = written.lock.parent
    folder.rename(written.repository.folder / "away")
    folder.symlink_to(target)
    commit = written.repository.commit("Point the locks elsewhere")
    revisions = GitRevisions(written.project)
    assert revisions.file_at(commit, written.lock) is None
    assert revisions.files_at(commit, folder) == ()
