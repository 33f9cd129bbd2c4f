"""pixbuf-loaders: the register of gdk-pixbuf's image loaders, as gdk-pixbuf-query-loaders writes it."""

from __future__ import annotations

import posixpath
from importlib.resources import files

from envlock.errors import UsageError
from envlock.image.tree import Tree

_HEADER = "# GdkPixbuf Image Loader Modules file\n\n"


def apply(tree: Tree) -> None:
    """Write loaders.cache above each folder of loaders, in the order of their names.

    What a loader says of itself (formats, signatures) was noted from the loaders of Debian 11, 12 and 13, where it is
    the same; UsageError (`unknown-loader`) for a loader that is none of them.
    """
    known = _known()
    folders: dict[str, list[str]] = {}
    for entry in tree.under("usr/lib", ".so"):
        folder, name = posixpath.split(entry.path)
        if folder.endswith("/loaders") and "/gdk-pixbuf-2.0/" in folder:
            folders.setdefault(folder, []).append(name)
    for folder, names in folders.items():
        if unknown := [name for name in names if name not in known]:
            raise UsageError(
                "unknown-loader",
                "gdk-pixbuf finds image loaders by a register that they write themselves, and envlock runs none.",
                where=f"/{folder}",
                expected=" ".join(sorted(known)),
                found=" ".join(unknown),
                hint="leave out the package that brings them",
            )
        content = _HEADER + "\n".join(f'"/{folder}/{name}"\n{known[name]}' for name in names)
        tree.add(f"{posixpath.dirname(folder)}/loaders.cache", "file", owner="pixbuf-loaders", content=content.encode())


def _known() -> dict[str, str]:
    """Return what loaders say of themselves by their file names."""
    text = (files("envlock") / "data" / "registries" / "gdk-pixbuf-loaders").read_text(encoding="utf-8")
    blocks = (block.strip("\n").partition("\n") for block in text.split("\n\n") if not block.startswith("#"))
    return {name.strip('"'): f"{body}\n" for name, _, body in blocks if name}
