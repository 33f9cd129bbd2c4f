"""Lists the files of a folder tree with what the file system says of each, its bytes unread."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from envlock.model.observation import File

_DEVICES: dict[int, int] = {}
"""One object for each number: an environment may have 100,000 files, and each would have its own."""


def walk(root: str) -> Iterator[tuple[str, File]]:
    """Yield (absolute path, file) for everything below `root` that is not a folder; links to folders are not followed.

    A folder that cannot be listed is yielded itself, with its problem.
    """
    pending = [root]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    else:
                        yield entry.path, look(entry)
        except OSError as error:
            if folder != root or not isinstance(error, FileNotFoundError):
                yield folder, File(kind="other", size=0, problem=f"the folder cannot be listed: {error.strerror}")


def look(path: str | os.DirEntry[str]) -> File:
    """Return a file's kind, size, times and place on its device, its bytes unread."""
    try:
        about = os.lstat(path)
        linked = stat.S_ISLNK(about.st_mode)
        if linked:
            about = os.stat(path)  # noqa: PTH116 - 17,000 times a run, and pathlib is slower
    except OSError as error:
        return File(kind="other", size=0, problem=f"it cannot be read: {error.strerror}")
    return described(about, linked=linked)


def described(about: os.stat_result, *, linked: bool = False) -> File:
    """Return what a file system says of a file."""
    if stat.S_ISREG(about.st_mode):
        return File(
            kind="link" if linked else "file",
            size=about.st_size,
            mtime_ns=about.st_mtime_ns,
            ctime_ns=about.st_ctime_ns,
            device=_DEVICES.setdefault(about.st_dev, about.st_dev),
            inode=about.st_ino,
            links=about.st_nlink,
        )
    kind = "a symbolic link to a folder" if stat.S_ISDIR(about.st_mode) else "neither a file nor a folder"
    return File(kind="other", size=0, problem=f"it is {kind}")
