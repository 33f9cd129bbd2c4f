"""The history of a project's files, as git has it; implements `model.edges.Lineage`."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from envlock.adapters.git_answers import GitAnswers, inside_of, open_work_tree
from envlock.errors import UsageError, did_you_mean
from envlock.model.revision import Revision

_SHOWN = "%H%x00%aN%x00%aI%x00%s"
_DEEPER = "git fetch --unshallow brings the whole history; in GitHub Actions: actions/checkout with fetch-depth: 0"
_LINK = "120000"
_MOST_LINKS = 40
"""On the way to one file, as Linux has it."""


class GitRevisions:
    """The repository that a project's folder is in.

    Raises UsageError (`no-git-repository`, `no-git`, `foreign-repository`) where there is none to read.
    """

    def __init__(self, folder: Path) -> None:
        repo = open_work_tree(folder)
        self._git = GitAnswers(repo)
        self._top = Path(str(repo.working_tree_dir)).resolve()
        self._project = folder.absolute()

    def resolve(self, text: str) -> Revision:
        """Return the commit that a revision names, and say where it names none which of four reasons that has."""
        commit = self._commit(text)
        if commit is None:
            raise self._unknown(text)
        return next(self._log("-1", commit))

    def file_at(self, commit: str, path: Path) -> bytes | None:
        """Return the bytes that the repository holds, whatever line ends a checkout would give them.

        Of a symbolic link they are the link's, and folders that are links lead where they do in that commit.
        """
        inside = self._inside(path)
        if inside is None:
            return None
        raw = self._git.raw("cat-file", "blob", f"{commit}:{inside}")
        if raw is None and (folder := self._followed(commit, inside.parent)) not in (None, inside.parent):
            raw = self._git.raw("cat-file", "blob", f"{commit}:{folder / inside.name}")
        return raw

    def files_at(self, commit: str, folder: Path) -> tuple[str, ...]:
        """Return names of files and links to them, none of folders and submodules."""
        inside = self._inside(folder)
        found = self._followed(commit, inside) if inside is not None else None
        if found is None:
            return ()
        tree = f"{commit}:{found}" if found.parts else f"{commit}:"
        entries = (entry.split("\t", 1) for entry in self._git.names("ls-tree", "-z", tree))
        return tuple(sorted(name for kind, name in entries if kind.split()[1] == "blob"))

    def changes_of(self, path: Path, start: str = "HEAD") -> Iterator[Revision]:
        """Yield commits as they are found, newest first.

        A merge that takes one side's file as it is leaves it to that side's commits to tell who changed it
        (git-log(1), History Simplification).
        """
        inside = inside_of(self._top, path)
        if inside is None:
            return
        since, dots, until = start.partition("..")
        ends = [self.resolve(until or "HEAD" if dots else start).commit]
        if dots and since:
            ends.append(f"^{self.resolve(since).commit}")
        yield from self._log(*ends, "--", f":(top,literal){inside}")

    def cut_off_at(self, commit: str) -> bool:
        """Tell whether a commit is where a shallow clone ends, so that nobody here knows what it changed."""
        return commit in self._ends

    @functools.cached_property
    def shallow(self) -> bool:
        """Whether the clone's history is cut off."""
        return self._git.one("rev-parse", "--is-shallow-repository") == "true"

    @functools.cached_property
    def _ends(self) -> frozenset[str]:
        named = self._git.one("rev-parse", "--git-path", "shallow")
        found = self._git.folder / named if named is not None else None
        return frozenset(found.read_text("ascii").split()) if found is not None and found.is_file() else frozenset()

    @functools.cached_property
    def _names(self) -> dict[str, tuple[str, ...]]:
        """The branches and tags of each commit that has any."""
        shown = "%(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end) %(refname:lstrip=2)"
        named: dict[str, list[str]] = {}
        for line in self._git.text("for-each-ref", f"--format={shown}", "refs/heads", "refs/tags").splitlines():
            commit, _, name = line.partition(" ")
            named.setdefault(commit, []).append(name)
        return {commit: tuple(sorted(set(names))) for commit, names in named.items()}

    def _inside(self, path: Path) -> PurePosixPath | None:
        """Return a path as git names it; no link of today's work tree leads to other files of an earlier commit."""
        named = Path(os.path.normpath(self._project.resolve() / os.path.relpath(path, self._project)))
        return PurePosixPath(named.relative_to(self._top)) if named.is_relative_to(self._top) else None

    def _followed(self, commit: str, path: PurePosixPath) -> PurePosixPath | None:
        """Return the folder that a path leads to by the links that a commit has, None where by one out of it."""
        names, found, links = list(path.parts), PurePosixPath(), 0
        while names:
            name = names.pop(0)
            if name == "..":
                if not found.parts:
                    return None
                found = found.parent
                continue
            found /= name
            entries = self._git.names("ls-tree", "-z", "--full-tree", commit, "--", f":(top,literal){found}")
            if not entries or not entries[0].startswith(_LINK):
                continue
            target = PurePosixPath(os.fsdecode(self._git.raw("cat-file", "blob", f"{commit}:{found}") or b""))
            links += 1
            if target.is_absolute() or links > _MOST_LINKS:
                return None
            names, found = [*target.parts, *names], found.parent
        return found

    def _commit(self, text: str) -> str | None:
        return self._git.one("rev-parse", "--verify", "--quiet", "--end-of-options", f"{text}^{{commit}}")

    def _log(self, *arguments: str) -> Iterator[Revision]:
        shown = ("--no-show-signature", "--encoding=UTF-8", "--use-mailmap", f"--format={_SHOWN}")
        for line in self._git.lines("log", "--no-color", *shown, *arguments):
            commit, author, when, subject = line.split("\0", 3)
            yield Revision(commit=commit, author=author, when=when, subject=subject, names=self._names.get(commit, ()))

    def _unknown(self, text: str) -> UsageError:
        if self._commit("HEAD") is None:
            return UsageError(
                "unborn-branch",
                "This branch has no commit yet, so nothing here has a history.",
                found=text,
                hint="git add envlock.toml lockfiles && git commit",
            )
        if self.shallow:
            return UsageError(
                "shallow-clone",
                "This clone is shallow: it does not have the commit that this names, or nothing is called so.",
                found=text,
                hint=_DEEPER,
            )
        names = {name for each in self._names.values() for name in each}
        return UsageError(
            "unknown-revision",
            "git knows no commit by this name.",
            expected="a branch, a tag, a commit, or what git rev-parse takes, such as HEAD~1",
            found=text,
            hint=did_you_mean(text, names, "git log --oneline shows commits; git fetch brings new ones"),
        )
