"""usr-merge: /bin, /sbin and /lib as links into /usr, which debootstrap makes before it unpacks anything."""

from __future__ import annotations

from envlock.image.tree import Tree

_ALWAYS = ("bin", "lib", "sbin")


def apply(tree: Tree) -> None:
    """Link the top-level folders; the tree keeps their content under /usr already."""
    for name in sorted({*_ALWAYS, *tree.aliases}):
        if f"usr/{name}" not in tree:
            tree.add(f"usr/{name}", "dir", owner="usr-merge", mode=0o755)
        tree.add(name, "symlink", owner="usr-merge", link=f"usr/{name}")
