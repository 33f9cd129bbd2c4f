"""What git answers to a question, asked so that it changes nothing."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from envlock.adapters.git import repository
from envlock.errors import UsageError

if TYPE_CHECKING:
    from subprocess import Popen

    from git import Repo


def open_work_tree(folder: Path) -> Repo:
    """Open the work tree of a folder; UsageError (`no-git-repository`, `no-git`, `foreign-repository`)."""
    try:
        repo = repository(folder)
    except ImportError:
        raise UsageError(
            "no-git", "git is not installed on this machine.", hint="Install git, which keeps the history."
        ) from None
    if repo.bare:
        repo.close()
        raise UsageError(
            "no-git-repository", "This folder is in no work tree of git.", hint="Work in a clone: git clone"
        )
    if GitAnswers(repo).one("rev-parse", "--git-dir") is None:
        repo.close()
        raise UsageError(
            "foreign-repository",
            "git does not read this repository, most often because its folder belongs to another user.",
            hint="git status says why; git config --global --add safe.directory DIR trusts it",
        )
    return repo


def inside_of(top: Path, path: Path) -> str | None:
    """Return a path as git names it; of a symbolic link the link's, not the target's."""
    try:
        return (path.parent.resolve() / path.name).relative_to(top).as_posix()
    except ValueError:
        return None


class GitAnswers:
    """git's answers, without a lock taken of the index or a line written anywhere."""

    def __init__(self, repo: Repo) -> None:
        self._git = repo.git
        self.folder = Path(str(repo.working_tree_dir or repo.git_dir))
        """Where git is run, so that relative paths in its answers begin there."""

    def raw(self, *arguments: str) -> bytes | None:
        """Return what git printed, None where it failed."""
        code, out, _ = self._git.execute(
            [self._git.GIT_PYTHON_GIT_EXECUTABLE, "--no-optional-locks", *arguments],
            with_extended_output=True,
            with_exceptions=False,
            stdout_as_string=False,
            strip_newline_in_stdout=False,
        )
        return bytes(out) if code == 0 else None

    def lines(self, *arguments: str) -> Generator[str, None, None]:
        """Yield lines as git finds them; closing the iterator ends git."""
        running = self._git.execute(
            [self._git.GIT_PYTHON_GIT_EXECUTABLE, "--no-optional-locks", *arguments], as_process=True
        )
        process = running.proc
        if process is None or process.stdout is None:
            raise _failed("it was not started")
        ended = False
        try:
            for line in process.stdout:
                yield line.decode("utf-8", "replace").removesuffix("\n")
            ended = True
        finally:
            _, complaint = (process if ended else _stopped(process)).communicate()
        if process.returncode:
            raise _failed(complaint.decode("utf-8", "replace").strip())

    def text(self, *arguments: str) -> str:
        """Return what git printed; empty where it failed."""
        return os.fsdecode(self.raw(*arguments) or b"")

    def one(self, *arguments: str) -> str | None:
        """Return the first line, None where there is none."""
        return next(iter(self.text(*arguments).splitlines()), None)

    def names(self, *arguments: str) -> list[str]:
        """Return names that end in NUL."""
        return [name for name in self.text(*arguments).split("\0") if name]

    def sha256(self, thing: str) -> str | None:
        """Return the digest of a blob's bytes, None where there is no such blob."""
        raw = self.raw("cat-file", "blob", thing)
        return None if raw is None else hashlib.sha256(raw).hexdigest()


def _stopped(process: Popen[bytes]) -> Popen[bytes]:
    process.terminate()
    return process


def _failed(complaint: str) -> UsageError:
    return UsageError(
        "git-failed",
        "git could not read the history.",
        found=complaint,
        hint="git fsck says whether the repository is whole",
    )
