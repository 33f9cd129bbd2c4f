"""ghostscript-fonts: where Ghostscript finds fonts, as update-gsfontmap gathers it."""

from __future__ import annotations

from envlock.image.tree import Tree

_TARGET = "var/lib/ghostscript/fonts"
_SOURCES = (("cidfmap", "etc/ghostscript/cidfmap.d"), ("Fontmap", "etc/ghostscript/fontmap.d"))


def apply(tree: Tree) -> None:
    """Write each map: the files for it one after the other, in the order of their names."""
    for name, folder in _SOURCES:
        paths = [entry.path for entry in tree.under(folder, ".conf") if entry.path.rpartition("/")[0] == folder]
        content = b"".join(tree.read(path) for path in paths)
        tree.add(f"{_TARGET}/{name}", "file", owner="ghostscript-fonts", content=content)
