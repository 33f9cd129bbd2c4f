"""readline: the default key bindings, copied as readline-common's postinst does."""

from __future__ import annotations

from envlock.image.tree import Tree


def apply(tree: Tree) -> None:
    """Write /etc/inputrc."""
    source = "usr/share/readline/inputrc"
    if source in tree and "etc/inputrc" not in tree:
        tree.add("etc/inputrc", "file", owner="readline", content=tree.read(source))
