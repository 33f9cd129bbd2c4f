"""Roots on disk, of locked Debian packages or of a base's layers: where the image's interpreter and compilers run."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from envlock import __version__
from envlock.formats.layer_reader import read_layer
from envlock.formats.tar import Member
from envlock.image.layered_root import unpack_layers
from envlock.image.root import remove, unpack
from envlock.model.edges import Task
from envlock.model.lock import Base, Lock
from envlock.model.platform import Platform
from envlock.operations.base_layers import base_documents, base_layer, base_reference
from envlock.operations.edges import Edges
from envlock.operations.fetch import fetch_debs

_CHUNK = 1 << 18


def unpacked_root(base: Base, platform: Platform, edges: Edges, *, build: bool) -> Path:
    """Return the folder of the base, with its build packages where `build`, unpacked once for all processes."""
    debs = base.build_root_of(platform) if build else base.of(platform)

    def fill(root: Path) -> None:
        paths = fetch_debs(
            debs, archives=edges.archives.at(base.suites), artifacts=edges.artifacts, progress=edges.progress
        )
        from envlock.image.base import base_members

        members = base_members(base, platform, lambda deb: paths[deb.sha256], build_root=build, progress=edges.progress)
        with edges.progress.task(f"Unpacking {len(debs)} Debian packages") as task:
            unpack(_told(members, task), root)

    return kept_root([*base.effects, *sorted(deb.sha256 for deb in debs)], fill, edges)


def layered_root(lock: Lock, platform: Platform, edges: Edges) -> Path:
    """Return the folder of a registry base's layers, unpacked once for all processes.

    The base is asked for by its locked digest, and every layer verified. Raises what `operations.base_layers` and
    `image.layered_root` raise.
    """
    at = base_reference(lock, platform)
    if at is None:
        raise ValueError("a base of packages alone has no layers in a registry")

    def fill(root: Path) -> None:
        documents = base_documents(lock, platform, edges)
        layers = documents.layers if documents else ()
        paths = [base_layer(lock, platform, layer.descriptor, edges) for layer in layers]
        total = sum(layer.descriptor.size for layer in layers)
        with edges.progress.task(f"Unpacking {at.repository}", total, unit="bytes") as task:
            unpack_layers(
                (
                    read_layer(
                        _chunks(path, task),
                        where=f"{at.repository} {layer.descriptor.digest}",
                        digest=layer.descriptor.digest,
                        diff_id=layer.diff_id,
                    )
                    for path, layer in zip(paths, layers, strict=True)
                ),
                root,
            )

    return kept_root(["layers", str(at.digest)], fill, edges)


def kept_root(inputs: Iterable[str], fill: Callable[[Path], None], edges: Edges) -> Path:
    """Return the folder that `fill` makes of certain inputs, made once for all processes.

    What runs in it decides bytes of images, so it is checked before each use; one that is not as it was left is made
    again.
    """
    key = hashlib.sha256("\n".join([__version__, *inputs]).encode()).hexdigest()
    root = edges.artifacts.folder("roots") / key
    with edges.artifacts.lock(f"root-{key}"):
        known = root.with_suffix(".state")
        if is_as_left(root):
            os.utime(known)  # what was used last is removed last, see `operations.cache`
        else:
            known.unlink(missing_ok=True)
            if root.exists():
                remove(root)
            fill(root)
            note_state(root)
    return root


def is_as_left(root: Path) -> bool:
    """Tell whether a root is there, and every file of it as it was when it had been made."""
    noted = _noted(root)
    return root.is_dir() and bool(noted) and noted[0] == tree_state(root)


def size_of(root: Path) -> int | None:
    """Return the bytes that the files of a root had when it had been made, without a look at them."""
    noted = _noted(root)
    return int(noted[1]) if len(noted) == 2 and noted[1].isdecimal() else None


def note_state(root: Path) -> None:
    """Note what a root is like, now that it has been made."""
    size = sum(path.lstat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    root.with_suffix(".state").write_text(f"{tree_state(root)}\n{size}\n", "ascii")


def _noted(root: Path) -> list[str]:
    try:
        return root.with_suffix(".state").read_text("ascii", "replace").split()
    except OSError:
        return []


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


def _chunks(path: Path, task: Task) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            task.advance(len(chunk))
            yield chunk


def _told(members: Iterable[Member], task: Task) -> Iterator[Member]:
    for member in members:
        task.advance()
        yield member
