"""A root file system on disk, for commands that run inside it; never written through a link, never half there."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from envlock.errors import IntegrityError
from envlock.formats.tar import Body, Entry, Member

KEPT = 0o1777
"""Modes without setuid and setgid: nobody's root may lend privilege on the host."""


def unpack(members: Iterable[Member], destination: Path) -> None:
    """Write members to the new folder `destination`, made beside it and renamed when complete.

    Works without privilege: owners are ignored. Where another process finished the same folder first, its one stays.
    Raises IntegrityError (`unsafe-path`) for members that leave the folder or pass through a link, OSError as it comes.
    """
    made_beside(destination, lambda staging: _write(members, staging))


def made_beside(destination: Path, fill: Callable[[Path], None]) -> None:
    """Have `fill` make a folder beside `destination`, and rename it when complete; what is there already stays."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{destination.name}.", dir=destination.parent))
    try:
        fill(staging)
        staging.rename(destination)
    except BaseException as error:
        remove(staging)
        if isinstance(error, OSError) and destination.is_dir():
            return
        raise


def remove(root: Path) -> None:
    """Delete a root, folders without write permission included."""

    def allow(function: Callable[..., object], path: str, _: BaseException) -> None:
        Path(path).parent.chmod(0o700)
        if Path(path).is_dir() and not Path(path).is_symlink():
            Path(path).chmod(0o700)
        function(path)

    def allow_311(function: Callable[..., object], path: str, failure: tuple[object, BaseException, object]) -> None:
        allow(function, path, failure[1])

    shutil.rmtree(root, onerror=allow_311)


def _write(members: Iterable[Member], root: Path) -> None:
    kinds: dict[str, str] = {"": "dir"}
    modes: dict[Path, int] = {root: 0o755}
    for entry, body in members:
        _check(entry, kinds)
        path = root / entry.path
        match entry.kind:
            case "dir":
                path.mkdir(mode=0o700)
                modes[path] = entry.mode & KEPT
            case "symlink":
                path.symlink_to(entry.link)
            case "hardlink":
                os.link(root / entry.link, path, follow_symlinks=False)
            case "file":
                _write_file(path, entry, body)
        kinds[entry.path] = entry.kind
    # Folders get their modes when nothing is to be written into them any more.
    for path, mode in reversed(modes.items()):
        path.chmod(mode)


def _check(entry: Entry, kinds: dict[str, str]) -> None:
    """Refuse a member unless its parent is a folder of this root and its path is new."""
    parts = entry.path.split("/")
    problem = ""
    if any(part in ("", ".", "..") for part in parts):
        problem = "it is absolute or climbs"
    elif kinds.get("/".join(parts[:-1])) != "dir":
        problem = "its parent is no folder of this root"
    elif entry.path in kinds:
        problem = "it is there already"
    elif entry.kind == "hardlink" and kinds.get(entry.link) != "file":
        problem = f"it is a hard link to {entry.link!r}, which is no file of this root"
    if problem:
        raise IntegrityError("unsafe-path", f"A file cannot be unpacked: {problem}.", where=entry.path)


def _write_file(path: Path, entry: Entry, body: Body | None) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for chunk in body() if body else ():
            file.write(chunk)
        os.fchmod(file.fileno(), stat.S_IMODE(entry.mode) & KEPT)
