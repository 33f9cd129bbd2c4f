"""Git through GitPython: merged files while a merge is under way, the merge driver's installation."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from envlock.errors import UsageError

if TYPE_CHECKING:
    from git import Repo

DRIVER = "envlock merge-driver %O %A %B %P"
_UNDER_WAY = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REBASE_HEAD", "REVERT_HEAD")
_GITHEAD = "GITHEAD_"


def repository(folder: Path) -> Repo:
    """Open the repository that a folder belongs to; UsageError (`no-git-repository`)."""
    from git import Repo
    from git.exc import InvalidGitRepositoryError, NoSuchPathError

    try:
        return Repo(folder, search_parent_directories=True)
    except (InvalidGitRepositoryError, NoSuchPathError):
        raise UsageError("no-git-repository", "This folder is in no git repository.", hint="git init") from None


def install_driver(repo: Repo) -> None:
    """Name the merge driver in this clone's configuration (gitattributes(5), merge)."""
    with repo.config_writer("repository") as config:
        config.set_value('merge "envlock"', "name", "Relock the merged manifest")
        config.set_value('merge "envlock"', "driver", DRIVER)


class Merge:
    """A merge, rebase, cherry-pick, revert or stash that git runs right now.

    Git calls its drivers before it writes index and work tree, and tells them neither the commits nor what becomes of
    other files (measured with 2.39: MERGE_HEAD and CHERRY_PICK_HEAD do not exist yet). So the commits are found by the
    three versions of the driven file that they hold.
    """

    def __init__(self, repo: Repo, path: str, *, ancestor: bytes, ours: bytes, theirs: bytes) -> None:
        self._repo = repo
        self._path = path
        # Git gives an empty ancestor where both sides made the file; `_oid_in` says "" of a file that is not there.
        oids = [self._oid(raw) if raw else "" for raw in (ancestor, ours, theirs)]
        self._ours = self._holding(oids[1], ["HEAD"])
        self._ancestor, self._theirs = self._others(oids[0], oids[2])
        if self._ours is None or self._theirs is None:
            raise UsageError(
                "unknown-merge",
                "The commits that are being merged could not be found, and so not their manifests.",
                where=path,
                hint="Resolve the manifest, then run `envlock lock`.",
            )

    def merged(self, path: str) -> bytes | None:
        """Return a file as git will merge it; see `operations.merge.MergedFiles`."""
        ancestor, ours, theirs = (self._blob(commit, path) for commit in (self._ancestor, self._ours, self._theirs))
        if ours in (theirs, ancestor):
            return theirs
        if theirs == ancestor:
            return ours
        if ours is None or theirs is None:
            raise _conflict(path)
        code, merged = merge_file(self._repo, ours, ancestor or b"", theirs)
        if code:
            raise _conflict(path)
        return merged

    def _others(self, ancestor: str, theirs: str) -> tuple[str | None, str | None]:
        """Return the commits whose files are the ancestor's and the other side's."""
        for commit in self._named():
            if self._oid_in(commit, self._path) == theirs:
                base = self._holding(ancestor, [*self._merge_bases(commit), f"{commit}^"])
                return base, commit
        for commit in self._introducing(theirs):
            if self._oid_in(f"{commit}^", self._path) == ancestor:
                return f"{commit}^", commit
        for commit in self._introducing(ancestor):
            if self._oid_in(f"{commit}^", self._path) == theirs:
                return commit, f"{commit}^"
        return self._holding(ancestor, []), self._holding(theirs, [])

    def _named(self) -> Iterator[str]:
        """Yield the commits that git tells of, the surest first."""
        yield from (name.removeprefix(_GITHEAD) for name in os.environ if name.startswith(_GITHEAD))
        done = Path(self._repo.git_dir) / "rebase-merge" / "done"
        if done.is_file():
            words = done.read_text("utf-8").strip().rpartition("\n")[2].split()
            yield from words[1:2]
        yield from _UNDER_WAY

    def _merge_bases(self, commit: str) -> list[str]:
        if self._ours is None:
            return []
        return self._lines("merge-base", "--all", self._ours, commit)

    def _holding(self, oid: str, preferred: Iterable[str]) -> str | None:
        for commit in preferred:
            if self._oid_in(commit, self._path) == oid:
                return commit
        return next((commit for commit in self._introducing(oid)), None)

    def _introducing(self, oid: str) -> Iterator[str]:
        """Yield commits that brought this version of the file, the newest first."""
        command = ("log", "--all", "--reflog", "-m", "--format=%H", f"--find-object={oid}", "--", self._path)
        for commit in dict.fromkeys(self._lines(*command)):
            if self._oid_in(commit, self._path) == oid:
                yield commit

    def _lines(self, *arguments: str) -> list[str]:
        _, text, _ = self._repo.git.execute(
            [self._repo.git.GIT_PYTHON_GIT_EXECUTABLE, *arguments], with_extended_output=True, with_exceptions=False
        )
        return [line for line in str(text).splitlines() if line]

    def _oid(self, raw: bytes) -> str:
        with tempfile.TemporaryDirectory(prefix="envlock-") as name:
            path = Path(name) / "blob"
            path.write_bytes(raw)
            return str(self._repo.git.hash_object("--no-filters", str(path)))

    def _oid_in(self, commit: str, path: str) -> str:
        found = self._lines("rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}:{path}")
        return found[0] if found else ""

    def _blob(self, commit: str | None, path: str) -> bytes | None:
        oid = self._oid_in(commit, path) if commit else ""
        if not oid:
            return None
        command = [self._repo.git.GIT_PYTHON_GIT_EXECUTABLE, "cat-file", "blob", oid]
        return self._repo.git.execute(command, stdout_as_string=False, strip_newline_in_stdout=False)


def merge_file(repo: Repo, ours: bytes, ancestor: bytes, theirs: bytes) -> tuple[int, bytes]:
    """Merge three texts by line as git does, and return (number of conflicts, merged text with markers)."""
    with tempfile.TemporaryDirectory(prefix="envlock-") as name:
        paths = [Path(name) / side for side in ("ours", "ancestor", "theirs")]
        for path, raw in zip(paths, (ours, ancestor, theirs), strict=True):
            path.write_bytes(raw)
        labels = [word for path in paths for word in ("-L", path.name)]
        code, _, _ = repo.git.execute(
            [repo.git.GIT_PYTHON_GIT_EXECUTABLE, "merge-file", "--diff3", *labels, *map(str, paths)],
            with_extended_output=True,
            with_exceptions=False,
        )
        return int(code), paths[0].read_bytes()


def _conflict(path: str) -> UsageError:
    return UsageError(
        "merge-conflict",
        f"{path} is changed on both sides, so what to lock is not known yet.",
        where=path,
        hint=f"Resolve {path}, then run `envlock lock` and `git add lockfiles`.",
    )
