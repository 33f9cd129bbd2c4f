"""What git says of the files that an image is made of, and where its history holds a lock."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from envlock.adapters.git import repository
from envlock.errors import UsageError
from envlock.model.observation import Unknown
from envlock.model.provenance import Held, Source
from envlock.model.report import Checkout

if TYPE_CHECKING:
    from git import Repo

_LOCKS = "pylock.*.toml"
_MOST_PATHSPECS = 500
"""More do not fit on every system's command line."""


def source_of(lock: Path, others: Sequence[Path] = ()) -> Source | Unknown:
    """Return what git says of a lock and the `others` that an image is made of: its manifest, the project's files.

    The commit is the newest one that changed any of them, not simply the current one: an image that stays the same
    while a team works on other things keeps one statement. Unknown where there is no repository, no commit or no git.
    """
    try:
        repo = _open(lock.parent)
    except UsageError as error:
        return Unknown(reason=error.what, hint=error.hint)
    with repo:
        git = _Git(repo)
        top = Path(str(repo.working_tree_dir)).resolve()
        lock_path = _inside(top, lock)
        if lock_path is None:
            return Unknown(reason="The lock is not inside the work tree.")
        paths = {lock_path, *(inside for path in others if (inside := _inside(top, path)) is not None)}
        if git.one("rev-parse", "--verify", "--quiet", "HEAD^{commit}") is None:
            return Unknown(reason="The repository has no commit yet.")
        commit = git.one("log", "-1", "--format=%H", "HEAD", *_pathspecs(paths)) or git.one("rev-parse", "HEAD") or ""
        changed = set(git.names("diff", "--no-ext-diff", "--no-renames", "--name-only", "-z", "HEAD"))
        # What git ignores may be in an image too, and is in no commit.
        tracked = set(git.names("ls-files", "-z", "--full-name", *_pathspecs(paths)))
        return Source(
            commit=commit,
            dirty=bool(paths & changed) or not paths <= tracked,
            lock_committed=git.sha256(f"{commit}:{lock_path}") == hashlib.sha256(lock.read_bytes()).hexdigest(),
            lock_path=lock_path,
            tree_dirty=bool(changed),
        )


def checkout_of(folder: Path) -> Checkout | Unknown | None:
    """Return the commit that a folder's work tree is at, for a report; None where there is no repository.

    Unknown where it has no commit, or git cannot say. Files that git does not know say nothing of the commit.
    """
    try:
        repo = _open(folder)
    except UsageError as error:
        return (
            None if error.reference in ("no-git-repository", "no-git") else Unknown(reason=error.what, hint=error.hint)
        )
    with repo:
        git = _Git(repo)
        commit = git.one("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        if commit is None:
            return Unknown(reason="The repository has no commit yet.")
        changed = git.raw("diff", "--no-ext-diff", "--no-renames", "--name-only", "-z", "HEAD")
        if changed is None:
            return Unknown(reason="git could not compare the work tree with its commit.")
        shallow = git.one("rev-parse", "--is-shallow-repository") != "false"
        root = None if shallow else git.one("rev-list", "--first-parent", "--max-parents=0", "HEAD")
        return Checkout(commit=commit, dirty=bool(changed), root=root)


def _pathspecs(paths: Collection[str]) -> list[str]:
    """Return arguments that limit git to these files, or where they are many to the folders that hold them."""
    limits = paths if len(paths) <= _MOST_PATHSPECS else {path.partition("/")[0] for path in paths}
    return ["--", *(f":(top,literal){path}" for path in sorted(limits))]


class GitHistory:
    """The repository that a folder of locks belongs to; implements `model.edges.History`.

    Raises UsageError (`no-git-repository`) where the folder is in none.
    """

    def __init__(self, lockfiles: Path) -> None:
        repo = _open(lockfiles)
        self._git = _Git(repo)
        self._folder = _inside(Path(str(repo.working_tree_dir)).resolve(), lockfiles) or ""

    def holding(self, sha256: str) -> Held | None:
        """Hash every version of every lock that a branch, a tag or a remote branch has, the newest first."""
        same: dict[str, bool] = {}
        for commit, oid, path in self._versions():
            if oid not in same:
                same[oid] = self._git.sha256(oid) == sha256
            if same[oid]:
                return Held(commit=commit, path=path)
        return None

    def lock_at(self, commit: str, path: str) -> str | None:
        """Hash a file as a commit has it; a shallow clone may not have it."""
        return self._git.sha256(f"{commit}:{path}")

    def _versions(self) -> Iterator[tuple[str, str, str]]:
        """Yield (commit, blob, path) of each change of a lock (git-log(1), --raw)."""
        folder = re.sub(r"([*?\[\\])", r"\\\1", self._folder)
        where = f":(top,glob){folder}/{_LOCKS}" if folder else f":(top,glob){_LOCKS}"
        shown = ("-m", "--raw", "--no-abbrev", "--no-renames", "-z", "--format=%H")
        fields = iter(self._git.text("log", "--all", *shown, "--", where).replace("\n", "\0").split("\0"))
        commit = ""
        for field in fields:
            if field.startswith(":"):
                yield commit, field.split()[3], next(fields, "")
            elif field:
                commit = field


class _Git:
    """git's answers, without a lock taken of the index or a line written anywhere."""

    def __init__(self, repo: Repo) -> None:
        self._git = repo.git

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


def allowed_signers(folder: Path) -> Path | None:
    """Return git's own list of allowed signers (git-config(1), gpg.ssh.allowedSignersFile), if it names one."""
    try:
        from git import Git
    except ImportError:
        return None
    git = Git(str(folder))
    _, out, _ = git.execute(
        [git.GIT_PYTHON_GIT_EXECUTABLE, "config", "--type=path", "--get", "gpg.ssh.allowedSignersFile"],
        with_extended_output=True,
        with_exceptions=False,
    )
    return Path(str(out)) if out else None


def _open(folder: Path) -> Repo:
    """Open the work tree of a folder; UsageError (`no-git-repository`, `no-git`, `foreign-repository`)."""
    try:
        repo = repository(folder)
    except ImportError:
        raise UsageError("no-git", "git is not installed on this machine.") from None
    if repo.bare:
        repo.close()
        raise UsageError("no-git-repository", "This folder is in no work tree of git.")
    if _Git(repo).one("rev-parse", "--git-dir") is None:
        repo.close()
        raise UsageError(
            "foreign-repository",
            "git does not read this repository, most often because its folder belongs to another user.",
            hint="git status says why; git config --global --add safe.directory DIR trusts it",
        )
    return repo


def _inside(top: Path, path: Path) -> str | None:
    """Return a path as git names it; of a symbolic link the link's, not the target's."""
    try:
        return (path.parent.resolve() / path.name).relative_to(top).as_posix()
    except ValueError:
        return None
