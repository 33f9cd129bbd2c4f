"""Names of the effects that stand in for maintainer scripts, in the order in which they are applied."""

from __future__ import annotations

EFFECTS = (
    "usr-merge",
    "base-files",
    "base-passwd",
    "nsswitch",
    "network",
    "readline",
    "shells",
    "localtime",
    "ca-bundle",
    "alternatives",
    "python-local",
    "adduser-conf",
    "fontconfig",
    "ghostscript-fonts",
    "git-lfs",
    "graphviz-plugins",
    "mime-database",
    "paper-size",
    "pixbuf-loaders",
    "ld-so-cache",
    "dpkg-status",
)
"""A lock lists the ones its base needs; `image.effects` has one module for each."""

ALWAYS = ("usr-merge", "nsswitch", "ld-so-cache", "dpkg-status")
"""Effects of every base: they stand in for debootstrap, dpkg and ldconfig, not for one package's script."""


def in_order(names: set[str]) -> tuple[str, ...]:
    """Return `names` in the order of application; ValueError for one that is not of `EFFECTS`."""
    unknown = names.difference(EFFECTS)
    if unknown:
        raise ValueError(f"no such effect: {', '.join(sorted(unknown))}")
    return tuple(name for name in EFFECTS if name in names)
