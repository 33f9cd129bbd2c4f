"""What git says of the files that an image is made of, and where its history holds a lock."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from envlock.adapters.git_answers import GitAnswers, inside_of, open_work_tree
from envlock.errors import UsageError
from envlock.model.observation import Unknown
from envlock.model.provenance import Held, Source
from envlock.model.report import Checkout

_LOCKS = "pylock.*.toml"
_KEPT = ("lockfiles/reports/**", "lockfiles/allowed_signers")
_CODE = ("--", ":(top)", *(f":(top,exclude,glob)**/{path}" for path in _KEPT))
"""All but what teammates keep of themselves: a report that was committed is no other code for the next one."""
_MOST_PATHSPECS = 500
"""More do not fit on every system's command line."""


def source_of(lock: Path, others: Sequence[Path] = ()) -> Source | Unknown:
    """Return what git says of a lock and the `others` that an image is made of: its manifest, the project's files.

    The commit is the newest one that changed any of them, not simply the current one: an image that stays the same
    while a team works on other things keeps one statement. Unknown where there is no repository, no commit or no git.
    """
    try:
        repo = open_work_tree(lock.parent)
    except UsageError as error:
        return Unknown(reason=error.what, hint=error.hint)
    with repo:
        git = GitAnswers(repo)
        top = Path(str(repo.working_tree_dir)).resolve()
        lock_path = inside_of(top, lock)
        if lock_path is None:
            return Unknown(reason="The lock is not inside the work tree.")
        paths = {lock_path, *(inside for path in others if (inside := inside_of(top, path)) is not None)}
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
    """Return the newest commit of a folder's work tree that changed code, for a report; None without a repository.

    Unknown where it has no commit, or git cannot say. Files that git does not know say nothing of the commit.
    """
    try:
        repo = open_work_tree(folder)
    except UsageError as error:
        return (
            None if error.reference in ("no-git-repository", "no-git") else Unknown(reason=error.what, hint=error.hint)
        )
    with repo:
        git = GitAnswers(repo)
        commit = git.one("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        if commit is None:
            return Unknown(reason="The repository has no commit yet.")
        changed = git.raw("diff", "--no-ext-diff", "--no-renames", "--name-only", "-z", "HEAD", *_CODE)
        if changed is None:
            return Unknown(reason="git could not compare the work tree with its commit.")
        shallow = git.one("rev-parse", "--is-shallow-repository") != "false"
        root = None if shallow else git.one("rev-list", "--first-parent", "--max-parents=0", "HEAD")
        commit = git.one("log", "-1", "--format=%H", "HEAD", *_CODE) or commit
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
        repo = open_work_tree(lockfiles)
        self._git = GitAnswers(repo)
        self._folder = inside_of(Path(str(repo.working_tree_dir)).resolve(), lockfiles) or ""

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
