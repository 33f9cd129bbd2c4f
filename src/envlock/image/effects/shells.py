"""shells: the login shells that are there, as add-shell and update-shells list them."""

from __future__ import annotations

from envlock.image.tree import Tree

_SHELLS = ("sh", "bash", "rbash", "dash")


def apply(tree: Tree) -> None:
    """Write /etc/shells: the template of debianutils, then each shell under both of its names."""
    if "etc/shells" in tree:
        return
    template = "usr/share/debianutils/shells"
    text = tree.read(template).decode("utf-8") if template in tree else "# /etc/shells: valid login shells\n"
    lines = text.splitlines()
    for shell in _SHELLS:
        if f"usr/bin/{shell}" in tree:
            lines += [name for name in (f"/bin/{shell}", f"/usr/bin/{shell}") if name not in lines]
    tree.add("etc/shells", "file", owner="shells", content="".join(f"{line}\n" for line in lines).encode())
