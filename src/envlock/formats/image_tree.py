"""The layers of an image laid over each other, and paths resolved in the result as a container resolves them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, TypeVar

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


def merged(layers: Iterable[Iterable[tuple[str, _Node]]]) -> dict[str, _Node]:
    """Lay the layers, given by absolute paths in archive order, over each other (image-spec 1.1, layer.md, whiteouts).

    Hard links become what they point to.
    """
    tree: dict[str, _Node] = {}
    for nodes in layers:
        own: dict[str, _Node] = {}
        emptied: set[str] = set()
        for path, node in nodes:
            folder, name = posixpath.split(path)
            if name == _OPAQUE:
                emptied.add(folder)
            elif name.startswith(_WHITEOUT):
                hidden = posixpath.join(folder, name[len(_WHITEOUT) :])
                tree.pop(hidden, None)
                emptied.add(hidden)
            else:
                own[path] = node
        if emptied:  # in one pass: a layer may have as many whiteouts as the ones below it have files
            tree = {path: node for path, node in tree.items() if emptied.isdisjoint(_above(path))}
        for path, node in own.items():
            before = tree.get(path)
            if before is not None and before.kind == "dir" and node.kind != "dir":
                _remove_below(tree, path)
            if node.kind == "hardlink":
                target = own.get(f"/{node.link.lstrip('/')}") or tree.get(f"/{node.link.lstrip('/')}")
                if target is not None:
                    tree[path] = target
                continue
            tree[path] = node
    return tree


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
