"""nsswitch: where the C library looks names up, as libc-bin and base-files install it."""

from __future__ import annotations

from envlock.image.tree import Tree

_SOURCES = ("usr/share/libc-bin/nsswitch.conf", "usr/share/base-files/nsswitch.conf")
_FALLBACK = b"passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n"


def apply(tree: Tree) -> None:
    """Write /etc/nsswitch.conf; without it glibc would not read /etc/hosts first."""
    if "etc/nsswitch.conf" in tree:
        return
    content = next((tree.read(source) for source in _SOURCES if source in tree), _FALLBACK)
    tree.add("etc/nsswitch.conf", "file", owner="nsswitch", content=content)
