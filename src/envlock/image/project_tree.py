"""Collects the project files of an image: which ones, and what of each counts.

What counts is what git keeps: paths, bytes, whether the owner may execute, and where symbolic links lead. Folders are
there where a file is. Nothing else of this machine, its settings or its user does.
"""

from __future__ import annotations

import errno
import hashlib
import os
import posixpath
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import msgspec

from envlock.errors import UsageError, printable
from envlock.formats.dockerignore import FILENAME, Patterns, read_dockerignore
from envlock.formats.project import tree_digest
from envlock.model.edges import Progress, Task
from envlock.model.path_pattern import Pattern, pattern_of

NEVER = (".git", ".hg", ".svn", ".envlock", "__pycache__")
"""Names of what is of a tool or of this machine, wherever it stands. `.venv…` and folders with a pyvenv.cfg are too."""
CACHES = ("lockfiles/built", "lockfiles/wheels")
"""What `envlock fetch` puts beside locks."""
_ALL = "**"
_SECRET = re.compile(
    r"(?:.*/)?(?:\.env(?:\.(?!example|sample|template|dist)[^/]*)?|[^/]*\.(?:pem|key|p12|pfx|kdbx|keytab)"
    r"|id_(?:rsa|dsa|ecdsa|ed25519)|[._]netrc|\.pypirc|\.npmrc|\.git-credentials|\.htpasswd|\.pgpass"
    r"|credentials(?:\.json)?|service[-_]account[^/]*\.json|kubeconfig|\.(?:ssh|aws|kube|gnupg)/.*|\.docker/config\.json)",
    re.IGNORECASE,
)
_CHUNK = 1 << 20
_TOLD = 20
_LINKS = 40
_KINDS = {
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}
_OPEN = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
)


_FOLDER = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_DIRECTORY", 0)


class ProjectFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file, or a symbolic link, of the project."""

    path: str
    """Relative to the manifest's folder, with forward slashes."""
    mode: str
    """`0644`, `0755` or `link`."""
    sha256: str
    """Of its bytes, or of what a link says; hex."""
    size: int = 0
    """In bytes; 0 for a link."""
    link: str = ""


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """The files that go into the image, sorted by the UTF-8 bytes of their paths."""

    root: Path
    files: tuple[ProjectFile, ...]

    @property
    def size(self) -> int:
        """All bytes together."""
        return sum(file.size for file in self.files)

    def digest(self, destination: str) -> str:
        """Return what names these files at that absolute path of an image, as 64 hex digits."""
        return tree_digest(((file.path, file.mode, file.sha256) for file in self.files), destination)

    def body(self, file: ProjectFile) -> Iterator[bytes]:
        """Yield the bytes of a file; UsageError (`project-changed`) where they are not those that were collected."""
        found, size = hashlib.sha256(), 0
        try:
            for chunk in _chunks(self.root, file.path):
                size += len(chunk)
                if size > file.size:
                    _changed(file.path)
                found.update(chunk)
                yield chunk
        except OSError as error:
            _changed(file.path, error)
        if (size, found.hexdigest()) != (file.size, file.sha256):
            _changed(file.path)


def collect(folder: Path, include: Sequence[str], *, progress: Progress) -> Tree:
    """Find and hash the included files of a project.

    `include` names files, folders (with all below them) and patterns; `.dockerignore` leaves out.
    Raises UsageError (`nothing-included`, `bad-project-file`, `project-changed`, `bad-dockerignore`), the second naming
    every file that cannot be taken.
    """
    wanted = [pattern_of(_ALL if posixpath.normpath(entry) == "." else entry) for entry in include]
    walk = _Walk(folder, wanted, _ignored(folder))
    with progress.task("Reading project files") as task:
        walk.folder("")
        for text, pattern in zip(include, wanted, strict=True):
            if not any(pattern.matches(path) for path in (*walk.found, *walk.problems)):
                walk.refuse_empty(text, pattern)
        files = [file for path in sorted(walk.found, key=str.encode) if (file := walk.read(path, task))]
    tree = Tree(root=folder, files=tuple(files))
    walk.problems |= _stray(tree)
    if walk.problems:
        rows = sorted(walk.problems.items())
        more = f", and {len(rows) - 1} more" if len(rows) > 1 else ""
        raise UsageError(
            "bad-project-file",
            f"{rows[0][0]} cannot be in an image: it {rows[0][1]}{more}.",
            where="\n         ".join(f"{path}: it {why}" for path, why in rows[:_TOLD]),
            hint=f"Mend it, or leave it out with a line of {FILENAME}.",
        )
    return tree


def secrets(tree: Tree) -> list[str]:
    """Return the paths of what looks like a credential by its name."""
    return [file.path for file in tree.files if file.mode != "link" and _SECRET.fullmatch(file.path)]


def _ignored(folder: Path) -> Patterns:
    try:
        if not stat.S_ISREG((folder / FILENAME).stat().st_mode):  # a pipe would never end, a device neither
            raise OSError(errno.EINVAL, "it is no file")
        return read_dockerignore((folder / FILENAME).read_bytes())
    except FileNotFoundError:
        return Patterns()
    except OSError as error:
        raise UsageError("bad-dockerignore", f"{FILENAME} cannot be read.", found=error.strerror or "") from error


class _Walk:
    """One pass over the project; file names are bytes, so that no locale has a say in them."""

    def __init__(self, root: Path, wanted: Sequence[Pattern], ignored: Patterns) -> None:
        self._root = root
        self._wanted = wanted
        self._ignored = ignored
        self._left_out: list[str] = []
        self.found: dict[str, os.stat_result] = {}
        self.problems: dict[str, str] = {}

    def folder(self, path: str) -> None:
        """Look at everything directly inside, and at what is below it where something of it may be wanted."""
        try:
            with os.scandir(_place(self._root, path)) as entries:
                names = sorted(entry.name for entry in entries)
        except OSError as error:
            self.problems[path or "."] = f"cannot be listed ({error.strerror})"
            return
        if path and b"pyvenv.cfg" in names:
            return
        for name in names:
            inside = posixpath.join(path, name.decode("utf-8", "surrogateescape"))
            if not _is_never(inside):
                self._entry(inside)

    def _entry(self, path: str) -> None:
        try:
            about = os.lstat(_place(self._root, path))
        except OSError as error:
            if self._is_wanted(path):
                self.problems[path] = f"cannot be read ({error.strerror})"
            return
        excluded = self._ignored.exclude(path)
        if stat.S_ISDIR(about.st_mode):
            if excluded and not self._ignored.has_exceptions:
                self._left_out.append(path)
            elif self._is_wanted(path) or any(pattern.leads_to(path) for pattern in self._wanted):
                self.folder(path)
        elif self._is_wanted(path):
            if excluded:
                self._left_out.append(path)
            elif problem := _problem(path, about):
                self.problems[printable(path).replace("\n", "\\n").replace("\t", "\\t")] = problem
            else:
                self.found[path] = about

    def _is_wanted(self, path: str) -> bool:
        return any(pattern.matches(path) for pattern in self._wanted)

    def read(self, path: str, task: Task) -> ProjectFile | None:
        """Hash a file, or note why it cannot be."""
        about = self.found[path]
        try:
            if stat.S_ISLNK(about.st_mode):
                link = _link(self._root, path)
                return ProjectFile(path=path, mode="link", sha256=hashlib.sha256(link.encode()).hexdigest(), link=link)
            total, size = hashlib.sha256(), 0
            for chunk in _chunks(self._root, path):
                total.update(chunk)
                size += len(chunk)
            task.advance()
        except UnicodeDecodeError:
            self.problems[path] = "is a link to a name that is not UTF-8"
            return None
        except OSError as error:
            self.problems[path] = f"cannot be read ({error.strerror})"
            return None
        mode = "0755" if about.st_mode & stat.S_IXUSR and os.name != "nt" else "0644"
        return ProjectFile(path=path, mode=mode, sha256=total.hexdigest(), size=size)

    def refuse_empty(self, text: str, pattern: Pattern) -> NoReturn:
        """Say why an entry of `include` brings nothing."""
        ignored = any(pattern.matches(path) or pattern.leads_to(path) for path in self._left_out)
        never = any(map(_is_never, (pattern.text, *_parents(pattern.text))))
        raise UsageError(
            "nothing-included",
            f"include names {text!r}, which brings no file.",
            expected="a file, a folder or a pattern, relative to the manifest",
            found=f"{FILENAME} leaves it out"
            if ignored
            else "it is never part of an image"
            if never
            else "nothing of that name (symbolic links to folders are not followed)",
            hint="Take it out of include, or mend its name.",
        )


def _is_never(path: str) -> bool:
    name = posixpath.basename(path)
    return name in NEVER or name.startswith(".venv") or path in CACHES


def _parents(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path


def _problem(path: str, about: os.stat_result) -> str:
    """Say why a file cannot be in an image, by its name and kind; empty where it can."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return "has a name that is not UTF-8"
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in path):
        return "has a control character in its name"
    if posixpath.basename(path).startswith(".wh."):
        return "would hide a file: layers mark what is deleted by names that begin with .wh."
    kind = stat.S_IFMT(about.st_mode)
    return f"is {_KINDS.get(kind, 'no file')}" if kind not in (stat.S_IFREG, stat.S_IFLNK) else ""


def _stray(tree: Tree) -> dict[str, str]:
    """Return the links that do not lead to something of the tree, and where they lead instead."""
    links = {file.path: file.link for file in tree.files if file.link}
    there = {file.path for file in tree.files}
    there |= {parent for path in there for parent in _parents(path)}
    problems = {}
    for path, link in links.items():
        if link.startswith("/") or re.match(r"[A-Za-z]:", link):
            problems[path] = f"is a link to the absolute path {link}"
        elif not _lands(path, links, there):
            problems[path] = f"is a link to {link}, which is not among the included files"
    return problems


def _lands(path: str, links: dict[str, str], there: set[str]) -> bool:
    """Follow a link as a container does, without ever leaving the tree."""
    done: list[str] = []
    parts = path.split("/")
    followed = 0
    while parts:
        part = parts.pop(0)
        if part in ("", "."):
            continue
        if part == "..":
            if not done:
                return False
            done.pop()
            continue
        here = "/".join([*done, part])
        if here in links:
            followed += 1
            if followed > _LINKS or links[here].startswith("/"):
                return False
            parts = links[here].split("/") + parts
        elif here not in there:
            return False
        else:
            done.append(part)
    return not done or "/".join(done) in there


def _place(root: Path, path: str) -> bytes:
    return os.path.join(os.fsencode(root), path.encode("utf-8", "surrogateescape"))  # noqa: PTH118 - a Path is text


def _link(root: Path, path: str) -> str:
    target = os.readlink(_place(root, path)).decode()  # noqa: PTH115 - a Path is text
    return target.replace("\\", "/") if os.name == "nt" else target


def _chunks(root: Path, path: str) -> Iterator[bytes]:
    """Yield a regular file in chunks of a MiB; a file that another one takes the place of meanwhile is an OSError."""
    with open(_opened(root, path), "rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise OSError(errno.EINVAL, "it is no longer a file")
        while chunk := file.read(_CHUNK):
            yield chunk
        after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        _changed(path)


def _opened(root: Path, path: str) -> int:
    """Open a file for reading, no link followed on the way: a folder may become one after it was listed."""
    if os.open not in os.supports_dir_fd:
        return os.open(_place(root, path), _OPEN)
    *folders, name = path.encode("utf-8", "surrogateescape").split(b"/")
    above = os.open(root, _FOLDER)
    try:
        for folder in folders:
            below = os.open(folder, _FOLDER | os.O_NOFOLLOW, dir_fd=above)
            os.close(above)
            above = below
        return os.open(name, _OPEN, dir_fd=above)
    finally:
        os.close(above)


def _changed(path: str, error: OSError | None = None) -> NoReturn:
    raise UsageError(
        "project-changed",
        f"{path} changed while it was read.",
        found=(error.strerror or "") if error else "",
        hint="Run the command again once nothing writes there any more.",
    ) from error
