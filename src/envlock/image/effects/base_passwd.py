"""base-passwd: the accounts and groups of a fresh Debian, copied from the masters."""

from __future__ import annotations

from envlock.image.tree import Tree


def apply(tree: Tree) -> None:
    """Write /etc/passwd and /etc/group; no password file, so that no account has a password to guess."""
    for name in ("passwd", "group"):
        if f"etc/{name}" not in tree:
            content = tree.read(f"usr/share/base-passwd/{name}.master")
            # The masters lock accounts with `*` in the file itself, as update-passwd leaves it without shadow files.
            tree.add(f"etc/{name}", "file", owner="base-passwd", content=content)
