"""python-local: the folders for modules that the administrator installs, as pythonX.Y-minimal makes them."""

from __future__ import annotations

from envlock.image.tree import Tree


def apply(tree: Tree) -> None:
    """Make /usr/local/lib/pythonX.Y/dist-packages for each Python that is there."""
    for package in tree.packages:
        name = package.deb.name
        if name.startswith("python3.") and name.endswith("-minimal"):
            folder = f"usr/local/lib/{name.removesuffix('-minimal')}/dist-packages"
            if folder not in tree:
                tree.add(folder, "dir", owner="python-local", mode=0o755)
