"""What envlock keeps on this machine, as `envlock cache` lists it: changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, get_args

import msgspec

from envlock.operations.roots import size_of

Kind = Literal["files", "layers", "pulled", "bytecode", "roots", "built", "resolver", "stats", "leftovers"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MADE: frozenset[Kind] = frozenset({"layers", "pulled", "bytecode", "roots", "stats"})
"""What follows from files, a registry or an environment, and is made again at any time."""
OF_LAYERS = ("layers", "pulled")
"""Folders that are layer caches."""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is kept, used and removed as a whole."""

    kind: Kind
    path: Path
    size: int
    """Bytes of its files."""
    used: float
    """When it was used last, as st_mtime counts."""


def items(root: Path, kinds: Iterable[Kind] = KINDS) -> list[Item]:
    """Return what the cache in a folder keeps, what was used longest ago first; changes nothing.

    Leftovers are listed with the kinds that they are of.
    """
    folders = [kind for kind in kinds if kind != "leftovers"]
    found = [item for kind in folders for path in entries(root / kind) if (item := item_of(kind, path)) is not None]
    found += [item for path in _hidden(root, folders) if (item := _sized("leftovers", path, path)) is not None]
    return sorted(found, key=lambda item: (item.used, item.path))


def entries(folder: Path) -> list[Path]:
    """Return what a folder of the cache holds under its final names."""
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return []
    return [path for path in paths if not path.name.startswith(".") and path.suffix not in (".lock", ".state")]


def _hidden(root: Path, kinds: Iterable[Kind]) -> Iterator[Path]:
    """Yield what is being written, or was when a process ended: names with a dot in front."""
    folders = [root / kind for kind in kinds]
    if root / "files" in folders:
        folders += entries(root / "files")
    for layers in (root / name for name in OF_LAYERS):
        if layers in folders:
            folders += [note.parent for note in layers.glob("*/layer.json")]
    for folder in folders:
        try:
            yield from sorted(path for path in folder.iterdir() if path.name.startswith("."))
        except OSError:
            continue


def item_of(kind: Kind, path: Path) -> Item | None:
    """Return one entry; None for what is gone. What was not finished is a leftover."""
    match kind:
        case "layers" | "pulled" if not (path / "layer.json").exists():
            return _sized("leftovers", path, path)
        case "roots":
            state = path.with_suffix(".state")
            return _sized(kind, path, state, size_of(path)) if state.exists() else _sized("leftovers", path, path)
        case _:
            return _sized(kind, path, path)


def _sized(kind: Kind, path: Path, stamp: Path, size: int | None = None) -> Item | None:
    try:
        return Item(kind=kind, path=path, size=_size(path) if size is None else size, used=stamp.lstat().st_mtime)
    except OSError:
        return None


def _size(path: Path) -> int:
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    total = 0
    for folder, _, files in os.walk(path):
        for name in files:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 - thousands of files
            except OSError:
                continue
    return total
