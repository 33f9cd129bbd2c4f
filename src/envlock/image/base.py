"""The base layer: locked Debian packages unpacked, with effects in place of their maintainer scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from envlock.formats.deb import data_members, read_control
from envlock.formats.tar import Member
from envlock.image.effects import apply_effects
from envlock.image.tree import Installed, Tree
from envlock.model.artifact import Deb
from envlock.model.edges import NoProgress, Progress
from envlock.model.lock import Base
from envlock.model.platform import Platform

Debs = Callable[[Deb], Path]
"""Returns the file of a package, its sha256 verified."""
Compile = Callable[[Iterator[tuple[str, bytes]]], Iterator[tuple[str, bytes]]]
"""Takes (absolute path, source) of modules in sorted order, yields (absolute path, content) of their bytecode."""


def base_members(
    base: Base,
    platform: Platform,
    debs: Debs,
    *,
    bytecode: Compile | None = None,
    build_root: bool = False,
    progress: Progress | None = None,
) -> Iterator[Member]:
    """Iterate over the base of one platform: sorted by the UTF-8 bytes of paths, each folder before its content.

    The contents are inflated into a nameless temporary file first, so that memory stays low; bodies can be read at
    any time after. With `build_root`, the packages for building source distributions are in it as well.
    Raises IntegrityError (`bad-deb`, `file-conflict`) and what `debs` and `bytecode` raise.
    """
    packages = base.build_root_of(platform) if build_root else base.of(platform)
    tree = unpacked(packages, platform, debs, progress=progress or NoProgress())
    apply_effects(tree, base.effects)
    if bytecode:
        add_bytecode(tree, python_of(base), bytecode)
    yield from tree.members()


def unpacked(packages: Sequence[Deb], platform: Platform, debs: Debs, *, progress: Progress) -> Tree:
    """Return the files of the packages alone, unpacked in order of their names."""
    tree = Tree(platform.machine)
    with progress.task("unpack the base", len(packages)) as task:
        for deb in sorted(packages, key=lambda deb: deb.name):
            path = debs(deb)
            tree.unpack(Installed(deb=deb, control=read_control(path), paths=()), data_members(path))
            task.advance()
    return tree


def python_of(base: Base) -> str:
    """Return the feature version of the base's interpreter, such as 3.9."""
    return ".".join(base.python.split(".")[:2])


def add_bytecode(tree: Tree, python: str, compile_all: Compile) -> None:
    """Add the bytecode of the standard library and of Debian's own modules."""
    for path, content in compile_all(stdlib_sources(tree, python)):
        tree.add(path.lstrip("/"), "file", owner="bytecode", content=content)


def stdlib_sources(tree: Tree, python: str) -> Iterator[tuple[str, bytes]]:
    """Iterate over (absolute path, source) of the modules that the interpreter imports, sorted by path."""
    for folder in (f"usr/lib/python{python}", "usr/lib/python3"):
        for entry in tree.under(folder, ".py"):
            if entry.kind != "dir" and tree.resolve(entry.path) is not None:
                yield f"/{entry.path}", tree.read(entry.path)
