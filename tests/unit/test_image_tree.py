"""Layers laid over each other: whiteouts, hard links, and paths whose folders are symbolic links."""

from __future__ import annotations

import msgspec
import pytest

from envlock.formats.image_tree import merged

Row = tuple[str, str] | tuple[str, str, str]
"""Kind and path, with the text of a file or the target of a link."""


class Node(msgspec.Struct, frozen=True):
    """What stands at a path."""

    kind: str
    text: str = ""
    link: str = ""


def node(kind: str, content: str = "") -> Node:
    return Node(kind, link=content) if kind in ("symlink", "hardlink") else Node(kind, content)


def tree(*layers: list[Row], through: list[str] | None = None) -> dict[str, str]:
    """Return what files and links say in the end, by path."""
    found = merged([[(path, node(kind, *rest)) for kind, path, *rest in layer] for layer in layers], through=through)
    return {path: each.link or each.text for path, each in found.items() if each.kind != "dir"}


@pytest.mark.parametrize("target", ["usr/a", "./usr/a", "/usr/a", "usr/./a", "lib/a"])
def test_a_hard_link_is_what_it_points_to(target: str) -> None:
    """However its target is written, in its own layer or a lower one."""
    rows: list[Row] = [("symlink", "/lib", "usr"), ("file", "/usr/a", "1")]
    link: Row = ("hardlink", "/b", target)
    assert tree([*rows, link])["/b"] == "1"
    assert tree(rows, [link])["/b"] == "1"


def test_a_hard_link_keeps_what_it_pointed_to() -> None:
    """What stands there later is another file."""
    assert tree([("file", "/a", "1"), ("hardlink", "/b", "a"), ("file", "/a", "2")]) == {"/a": "2", "/b": "1"}
    assert tree([("file", "/a", "1")], [("hardlink", "/b", "a"), ("file", "/a", "2")]) == {"/a": "2", "/b": "1"}
    assert tree([("hardlink", "/b", "none")]) == {"/b": "none"}


@pytest.mark.parametrize("target", ["usr/lib", "/usr/lib", "./usr/x/../lib", "two", "/two/."])
def test_a_file_behind_a_symbolic_link(target: str) -> None:
    """Stands where the link leads; whose link that is makes the difference that is told."""
    links: list[Row] = [("dir", "/usr/x"), ("symlink", "/two", "usr/lib"), ("symlink", "/lib", target)]
    through: list[str] = []
    assert tree([*links, ("file", "/lib/a/b", "1")], through=through)["/usr/lib/a/b"] == "1"
    assert through == []
    assert tree(links, [("file", "/lib/a", "1")], through=through)["/usr/lib/a"] == "1"
    assert through == ["/usr/lib/a"]


def test_a_folder_in_place_of_a_link() -> None:
    """A layer that has the folder itself replaces the link, and nothing is unclear."""
    through: list[str] = []
    found = tree([("symlink", "/lib", "usr/lib"), ("file", "/usr/lib/a", "1")],
                 [("dir", "/lib"), ("file", "/lib/a", "2")], through=through)  # fmt: skip
    assert (found, through) == ({"/usr/lib/a": "1", "/lib/a": "2"}, [])


def test_links_in_a_circle_and_upwards() -> None:
    """End somewhere, and never above the root."""
    assert tree([("symlink", "/a", "b"), ("symlink", "/b", "a"), ("file", "/a/x", "1")])
    assert tree([("symlink", "/up", "../../.."), ("file", "/up/x", "1")])["/x"] == "1"


def test_whiteouts() -> None:
    """Hide what is below, not what the same layer has, also behind a link; a folder that is opaque hides all."""
    below: list[Row] = [("file", "/usr/lib/a", "1"), ("file", "/usr/lib/b", "1"), ("symlink", "/lib", "usr/lib")]
    assert tree(below, [("file", "/usr/lib/.wh.a"), ("file", "/usr/lib/c", "2")]).keys() == {
        "/usr/lib/b",
        "/usr/lib/c",
        "/lib",
    }
    assert "/usr/lib/a" not in tree(below, [("file", "/lib/.wh.a")])
    assert tree(below, [("file", "/usr/lib/.wh..wh..opq"), ("file", "/usr/lib/a", "2")]) == {
        "/usr/lib/a": "2",
        "/lib": "usr/lib",
    }
    gone = tree(below, [("file", "/.wh.lib"), ("file", "/lib/x", "2")])
    assert gone == {"/usr/lib/a": "1", "/usr/lib/b": "1", "/lib/x": "2"}


def test_a_file_in_place_of_a_folder() -> None:
    """Nothing of the folder is left, in the same layer or a lower one."""
    assert tree([("file", "/a/b", "1"), ("dir", "/a")], [("file", "/a", "2")]) == {"/a": "2"}
    assert tree([("dir", "/a"), ("file", "/a/b", "1"), ("symlink", "/a", "c"), ("file", "/a/d", "2")]) == {
        "/a": "c",
        "/c/d": "2",
    }
