"""The layers of an image laid over each other, and paths resolved in the result as a container resolves them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, Protocol, TypeVar

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_LINKS = 40
"""How many symbolic links Linux follows in one path (path_resolution(7))."""


class Node(Protocol):
    """What stands at a path: `kind` as in `formats.tar.Entry`, and where a link points."""

    @property
    def kind(self) -> str:
        """`file`, `dir`, `symlink`, `hardlink` or `other`."""

    @property
    def link(self) -> str:
        """Target of a symbolic or hard link."""


_Node = TypeVar("_Node", bound=Node)


def merged(layers: Iterable[Iterable[tuple[str, _Node]]], *, through: list[str] | None = None) -> dict[str, _Node]:
    """Lay the layers, given by absolute paths in archive order, over each other (image-spec 1.1, layer.md, whiteouts).

    Hard links become what they point to at that moment. A path whose folder is a symbolic link stands where that leads,
    as where an archive is unpacked by the kernel. Where the link is one of a layer below, Engines disagree (overlay2
    unpacks each layer alone, and the link is then a folder): the paths of such files are added to `through`.
    """
    tree: dict[str, _Node] = {}
    for nodes in layers:
        laid = _Laid(tree)
        for path, node in nodes:
            laid.put(path, node)
        tree = laid.tree()
        if through is not None:
            through.extend(laid.through)
    return tree


class _Laid(Generic[_Node]):
    """One layer on top of what is below it."""

    def __init__(self, below: dict[str, _Node]) -> None:
        self._below = below
        self._own: dict[str, _Node] = {}
        self._emptied: set[str] = set()
        """Folders of which nothing below counts."""
        self._hidden: set[str] = set()
        self._folders: dict[str, tuple[str, bool]] = {}
        """Where each folder really is, and whether a link of a layer below led there."""
        self.through: list[str] = []

    def put(self, path: str, node: _Node) -> None:
        """Take the next entry of the archive."""
        named, name = posixpath.split(path)
        folder, foreign = self._folder(named)
        if name == _OPAQUE:
            self._emptied.add(folder)
            self._folders.clear()
        elif name.startswith(_WHITEOUT):
            hidden = posixpath.join(folder, name[len(_WHITEOUT) :])
            self._hidden.add(hidden)
            self._emptied.add(hidden)
            self._folders.clear()
        else:
            place = posixpath.join(folder, name)
            if foreign:
                self.through.append(place)
            if node.kind == "hardlink":
                node = self._target(node) or node
            self._place(place, node)

    def tree(self) -> dict[str, _Node]:
        """Return both together."""
        tree = self._below
        if self._emptied:  # in one pass: a layer may have as many whiteouts as the ones below it have files
            tree = {path: node for path, node in tree.items() if not self._is_gone(path)}
        for path, node in self._own.items():
            before = tree.get(path)
            if before is not None and before.kind == "dir" and node.kind != "dir":
                _remove_below(tree, path)
            tree[path] = node
        return tree

    def _place(self, path: str, node: _Node) -> None:
        before = self._own.get(path)
        if before is not None and before.kind == "dir" and node.kind != "dir":
            _remove_below(self._own, path)
        if path in self._folders and (node.kind != "dir" or self._folders[path][0] != path):
            self._folders.clear()  # what was known of it as a folder no longer holds
        self._own[path] = node

    def _target(self, link: _Node) -> _Node | None:
        parts = [part for part in link.link.split("/") if part not in ("", ".")]
        if not parts:
            return None
        folder, _ = self._folder("/" + "/".join(parts[:-1]))
        return self._at(posixpath.join(folder, parts[-1]))[0]

    def _at(self, path: str) -> tuple[_Node | None, bool]:
        """Return what stands at a path, and whether it is of a layer below."""
        if (own := self._own.get(path)) is not None:
            return own, False
        below = self._below.get(path)
        return (below, True) if below is not None and not self._is_gone(path) else (None, False)

    def _is_gone(self, path: str) -> bool:
        return bool(self._emptied) and (path in self._hidden or not self._emptied.isdisjoint(_above(path)))

    def _folder(self, path: str, links: int = 0) -> tuple[str, bool]:
        """Return where a folder really is, and whether a link of a layer below led there."""
        if path in ("", "/"):
            return "/", False
        known = self._folders.get(path)
        if known is not None:
            return known
        above, foreign = self._folder(posixpath.dirname(path), links)
        here = posixpath.join(above, posixpath.basename(path))
        node, below = self._at(here)
        found = here, foreign
        if node is not None and node.kind == "symlink" and links < _LINKS:
            target, further = self._followed(above, node.link, links + 1)
            found = target, foreign or below or further
        self._folders[path] = found
        return found

    def _followed(self, folder: str, link: str, links: int) -> tuple[str, bool]:
        """Return where a symbolic link that stands in a real folder leads, part by part."""
        place, foreign = ("/" if link.startswith("/") else folder), False
        for part in link.split("/"):
            if part == "..":
                place = posixpath.dirname(place)
            elif part not in ("", "."):
                place, further = self._folder(posixpath.join(place, part), links)
                foreign = foreign or further
        return place, foreign


def resolved(tree: Mapping[str, Node], path: str) -> str:
    """Follow symbolic links of the image in every part of a path; where that goes in circles, what is left stands."""
    parts = [part for part in path.split("/") if part]
    done = ""
    links = 0
    while parts:
        part = parts.pop(0)
        if part == "..":
            done = posixpath.dirname(done).rstrip("/")
            continue
        here = f"{done}/{part}"
        node = tree.get(here)
        if node is not None and node.kind == "symlink" and links < _LINKS:
            links += 1
            if node.link.startswith("/"):
                done = ""
            parts = [p for p in node.link.split("/") if p not in ("", ".")] + parts
            continue
        done = here
    return done or "/"


def _above(path: str) -> Iterator[str]:
    """Yield the folders that a path is in."""
    while path not in ("/", ""):
        path = posixpath.dirname(path)
        yield path


def _remove_below(tree: dict[str, _Node], folder: str) -> None:
    prefix = folder.rstrip("/") + "/"
    for path in [path for path in tree if path.startswith(prefix)]:
        del tree[path]
