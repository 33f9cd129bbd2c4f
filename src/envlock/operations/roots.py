"""Roots of locked Debian packages on disk: where the image's interpreter and compilers run."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from envlock import __version__
from envlock.formats.tar import Member
from envlock.image.root import remove, unpack
from envlock.model.edges import Task
from envlock.model.lock import Base
from envlock.model.platform import Platform
from envlock.operations.edges import Edges
from envlock.operations.fetch import fetch_debs


def unpacked_root(base: Base, platform: Platform, edges: Edges, *, build: bool) -> Path:
    """Return the folder of the base, with its build packages where `build`, unpacked once for all processes.

    What runs in it decides bytes of images, so it is checked before each use; one that is not as it was left is
    unpacked again.
    """
    debs = base.build_root_of(platform) if build else base.of(platform)
    key = hashlib.sha256(
        "\n".join([__version__, *base.effects, *sorted(deb.sha256 for deb in debs)]).encode()
    ).hexdigest()
    root = edges.artifacts.folder("roots") / key
    with edges.artifacts.lock(f"root-{key}"):
        known = root.with_suffix(".state")
        if not root.is_dir() or not known.is_file() or known.read_text("ascii") != tree_state(root):
            if root.exists():
                remove(root)
            paths = fetch_debs(
                debs, archives=edges.archives.at(base.suites), artifacts=edges.artifacts, progress=edges.progress
            )
            from envlock.image.base import base_members

            members = base_members(
                base, platform, lambda deb: paths[deb.sha256], build_root=build, progress=edges.progress
            )
            with edges.progress.task(f"Unpacking {len(debs)} Debian packages") as task:
                unpack(_told(members, task), root)
            known.write_text(tree_state(root), "ascii")
    return root


def tree_state(root: Path) -> str:
    """Return a sha256 over every path below a folder with what the file system says of it, as git's index does.

    A file's inode, size and times change with its bytes: nobody can set the time of change (ctime) back.
    """
    total = hashlib.sha256()
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted([*folders, *files]):
            path = os.path.join(folder, name)  # noqa: PTH118 - a Path for each of thousands of files is slow
            about = os.lstat(path)
            state = [about.st_mode]
            if not stat.S_ISDIR(about.st_mode):
                state += [about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns]
            total.update(f"{path[len(str(root)) :]}\0{state}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def _told(members: Iterable[Member], task: Task) -> Iterator[Member]:
    for member in members:
        task.advance()
        yield member
