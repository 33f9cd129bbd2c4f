"""adduser-conf: the settings of adduser, copied as its postinst does until Debian 11."""

from __future__ import annotations

from envlock.image.tree import Tree


def apply(tree: Tree) -> None:
    """Write /etc/adduser.conf where there is a default for it."""
    source = "usr/share/adduser/adduser.conf"
    if source in tree and "etc/adduser.conf" not in tree:
        tree.add("etc/adduser.conf", "file", owner="adduser-conf", content=tree.read(source))
