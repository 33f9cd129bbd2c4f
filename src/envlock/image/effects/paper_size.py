"""paper-size: the paper that libpaper asks for, answered as it answers itself where no locale says otherwise."""

from __future__ import annotations

from envlock.image.tree import Tree


def apply(tree: Tree) -> None:
    """Write /etc/papersize."""
    if "etc/papersize" not in tree:
        tree.add("etc/papersize", "file", owner="paper-size", content=b"a4\n")
