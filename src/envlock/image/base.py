"""The base layer: locked Debian packages unpacked, with effects in place of their maintainer scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from envlock.formats.tar import Member
from envlock.image.effects import apply_effects
from envlock.image.tree import Package, Spool, Tree, inflate
from envlock.model.artifact import Deb
from envlock.model.edges import NoProgress, Progress
from envlock.model.lock import Base
from envlock.model.platform import Platform

_THREADS = 2
"""xz is the bottleneck, and inflating leaves the interpreter's lock alone."""
Debs = Callable[[Deb], Path]
"""Returns the file of a package, its sha256 verified; called from several threads."""
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
    tree = installed(packages, platform, debs, progress=progress or NoProgress())
    apply_effects(tree, base.effects)
    if bytecode:
        add_bytecode(tree, python_of(base), bytecode)
    yield from tree.members()


def installed(packages: Sequence[Deb], platform: Platform, debs: Debs, *, progress: Progress) -> Tree:
    """Return the tree of the packages' files alone; what order they come in decides nothing."""
    tree = Tree(platform.machine)
    for package in inflated(packages, debs, tree.spool, progress=progress):
        tree.install(package)
    return tree


def inflated(packages: Sequence[Deb], debs: Debs, spool: Spool, *, progress: Progress) -> Iterator[Package]:
    """Iterate over the packages by name, their files in the spool; the next ones are inflated meanwhile."""
    pool = ThreadPoolExecutor(_THREADS)
    try:
        with progress.task("Unpacking Debian packages", len(packages)) as task:
            ordered = sorted(packages, key=lambda deb: deb.name)
            for package in pool.map(lambda deb: inflate(deb, debs(deb), spool), ordered):
                yield package
                task.advance()
    finally:
        pool.shutdown(cancel_futures=True)


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
