"""localtime: the time zone that tzdata asks for, answered with Etc/UTC."""

from __future__ import annotations

from envlock.image.tree import Tree


def apply(tree: Tree) -> None:
    """Link /etc/localtime and write /etc/timezone."""
    if "etc/localtime" not in tree:
        tree.add("etc/localtime", "symlink", owner="localtime", link="/usr/share/zoneinfo/Etc/UTC")
    if "etc/timezone" not in tree:
        tree.add("etc/timezone", "file", owner="localtime", content=b"Etc/UTC\n")
