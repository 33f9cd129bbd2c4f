"""The layers of anybody's image laid over each other in a folder, for commands that run inside it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from envlock.errors import IntegrityError
from envlock.formats.image_tree import resolved
from envlock.formats.tar import Entry
from envlock.image.root import KEPT, made_beside

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_DEEPEST = 256
"""Folders in folders; Python removes no tree of many more."""

LayerEntries = Iterable[tuple[Entry, Iterator[bytes]]]
"""What `formats.layer_reader.read_layer` yields."""


def unpack_layers(layers: Iterable[LayerEntries], destination: Path) -> None:
    """Write layers, the lowest first, to the new folder `destination`, made beside it and renamed when complete.

    As image-spec 1.1 (layer.md) has it: whiteouts hide what lower layers hold, a folder over a folder changes its mode
    alone, anything else takes the place of what is there. Parents are found as in a container: links of the image are
    followed inside of it. Works without privilege: owners, devices and pipes are left out, and every file can be read
    by its owner. Where another process finished the same folder first, its one stays.
    Raises IntegrityError (`bad-layer`), what the layers raise, and OSError as it comes.
    """

    def fill(staging: Path) -> None:
        tree = _Tree(staging)
        for layer in layers:
            tree.apply(layer)
        tree.close()

    made_beside(destination, fill)


class _Tree:
    """What stands in the folder, by absolute path in the image; nobody else writes there meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._entries: dict[str, Entry] = {}
        self._own: set[str] = set()
        """Paths of the layer at hand, and the folders they are in: its whiteouts do not hide them."""

    def apply(self, layer: LayerEntries) -> None:
        self._own = set()
        for entry, body in layer:
            if not entry.path or entry.kind == "other":
                continue
            if "\0" in entry.link:
                raise _bad("a link with a NUL in its target", entry.path)
            folder, _, name = entry.path.rpartition("/")
            parent = resolved(self._entries, f"/{folder}")
            place = f"{parent.rstrip('/')}/{name}"
            if place.count("/") > _DEEPEST:
                raise _bad(f"folders in folders, {place.count('/')} deep", f"{place[:80]}…")
            if name == _OPAQUE:
                self._hide_below(parent)
            elif name.startswith(_WHITEOUT):
                hidden = f"{parent.rstrip('/')}/{name[len(_WHITEOUT) :]}"
                self._hide_below(hidden)
                if hidden not in self._own:
                    self._drop(hidden)
            else:
                self._make_folders(parent)
                self._put(place, entry, body)

    def close(self) -> None:
        """Give folders their modes, now that nothing more is written into them."""
        for path, entry in reversed(self._entries.items()):
            if entry.kind == "dir":
                self._at(path).chmod(entry.mode & KEPT | 0o700)
        self._folder.chmod(0o755)

    def _at(self, path: str) -> Path:
        return self._folder / path.lstrip("/")

    def _put(self, place: str, entry: Entry, body: Iterator[bytes]) -> None:
        before = self._entries.get(place)
        if not (before is not None and before.kind == entry.kind == "dir"):
            target = self._target(entry, place) if entry.kind == "hardlink" else None
            if target == place:
                return
            for each in (*self._below(place), place):
                self._drop(each)
            path = self._at(place)
            match entry.kind:
                case "dir":
                    path.mkdir(mode=0o700)
                case "symlink":
                    path.symlink_to(entry.link)
                case "hardlink" if target is not None:
                    os.link(self._at(target), path, follow_symlinks=False)
                    entry = self._entries[target]
                case _:
                    _write_file(path, entry, body)
        self._entries[place] = entry
        while place not in self._own and place:
            self._own.add(place)
            place = place.rpartition("/")[0]

    def _target(self, entry: Entry, place: str) -> str:
        """Return the path that a hard link names a second time."""
        folder, _, name = entry.link.strip("/").rpartition("/")
        target = f"{resolved(self._entries, f'/{folder}').rstrip('/')}/{name}"
        found = self._entries.get(target)
        if found is None or found.kind == "dir":
            raise _bad(f"a hard link to {entry.link!r}, which is no file of the image", place)
        return target

    def _make_folders(self, path: str) -> None:
        """Make a folder that no layer lists, and those above it."""
        missing = []
        while path not in ("/", "") and self._kind(path) != "dir":
            missing.append(path)
            path = path.rpartition("/")[0]
        for each in reversed(missing):
            self._put(each, Entry(path=each.lstrip("/"), kind="dir", mode=0o755), iter(()))

    def _kind(self, path: str) -> str | None:
        entry = self._entries.get(path)
        return entry.kind if entry else None

    def _hide_below(self, path: str) -> None:
        """Remove what lower layers put below a folder, and keep what this one did."""
        for below in self._below(path):
            if below not in self._own:
                self._drop(below)

    def _below(self, path: str) -> list[str]:
        """Return what is below a folder, the deepest first."""
        if path != "/" and self._kind(path) != "dir":
            return []
        prefix = f"{path.rstrip('/')}/"
        return sorted((each for each in self._entries if each.startswith(prefix)), key=len, reverse=True)

    def _drop(self, path: str) -> None:
        entry = self._entries.pop(path, None)
        self._own.discard(path)
        if entry is None:
            return
        if entry.kind == "dir":
            self._at(path).rmdir()
        else:
            self._at(path).unlink()


def _write_file(path: Path, entry: Entry, body: Iterator[bytes]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for chunk in body:
            file.write(chunk)
    path.chmod(entry.mode & KEPT | 0o400)


def _bad(what: str, where: str) -> IntegrityError:
    return IntegrityError("bad-layer", f"A layer holds {what}.", where=where)
