"""The file tree of a base while it is put together: files of packages first, then what effects add."""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Literal

import msgspec

from envlock.errors import IntegrityError
from envlock.formats.deb import Content, data_members, read_control
from envlock.formats.tar import Body, Entry, Member
from envlock.model.artifact import Deb

_CHUNK = 1 << 20
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Folders of the root that a merged /usr makes aliases of (Debian bug #978636, file-hierarchy(7))."""


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """A package with its control files, and its files in their own order with their places in the spool."""

    deb: Deb
    control: dict[str, bytes]
    entries: tuple[tuple[Entry, int], ...]
    """Paths as the package spells them, before the aliases of a merged /usr."""


class Spool:
    """File contents on disk, one after the other in a nameless file that goes when nobody refers to it."""

    def __init__(self) -> None:
        descriptor, path = tempfile.mkstemp(prefix="envlock-")
        os.unlink(path)  # noqa: PTH108 - beside mkstemp's own calls
        self._descriptor = descriptor
        self._end = 0
        self._growing = threading.Lock()
        weakref.finalize(self, os.close, descriptor)

    def append(self, content: Content, size: int) -> int:
        """Copy `size` bytes to a place of their own and return its offset; safe to call from several threads.

        Raises EOFError where the content ends early.
        """
        with self._growing:
            start = self._end
            self._end += size
        position = start
        while position < start + size:
            view = memoryview(content.read(min(_CHUNK, start + size - position)))
            if not view:
                raise EOFError("a file is cut short")
            while view:
                written = os.pwrite(self._descriptor, view, position)
                view = view[written:]
                position += written
        return start

    def read(self, offset: int, size: int) -> bytes:
        """Return `size` bytes at `offset`."""
        return os.pread(self._descriptor, size, offset)

    def chunks(self, offset: int, size: int) -> Iterator[bytes]:
        """Iterate over `size` bytes at `offset`."""
        for start in range(offset, offset + size, _CHUNK):
            yield self.read(start, min(_CHUNK, offset + size - start))


def inflate(deb: Deb, path: Path, spool: Spool) -> Package:
    """Copy the files of a package to the spool; IntegrityError (`bad-deb`) as `formats.deb` raises it."""
    entries = tuple(
        (entry, spool.append(content, entry.size) if content is not None else 0)
        for entry, content in data_members(path)
    )
    return Package(deb=deb, control=read_control(path), entries=entries)


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One path of the tree."""

    entry: Entry
    owner: str
    """The package or the effect that put it there."""
    offset: int = 0
    """Where its content begins in the spool; only of files."""

    @property
    def kind(self) -> str:
        """What stands there, as `formats.image_tree` asks for it."""
        return self.entry.kind

    @property
    def link(self) -> str:
        """Where a link points, as `formats.image_tree` asks for it."""
        return self.entry.link


class Tree:
    """Paths to nodes, in which every path is spelled without the aliases of a merged /usr."""

    aliased: Collection[str] = _MERGED
    """Folders of the root that stand for those of /usr although no node says so."""

    def __init__(self, machine: str, spool: Spool | None = None) -> None:
        self.machine = machine
        """The kernel's name of the architecture, such as x86_64."""
        self.packages: list[Package] = []
        self._nodes: dict[str, Node] = {}
        self.spool = spool or Spool()
        """Where the contents are."""
        self._aliases: set[str] = set()

    def __contains__(self, path: str) -> bool:
        return self.canonical(path) in self._nodes

    @property
    def aliases(self) -> tuple[str, ...]:
        """The folders of the root that packages use and that belong in /usr."""
        return tuple(sorted(self._aliases))

    def canonical(self, path: str) -> str:
        """Return a path (no leading slash) with a leading bin, sbin or lib replaced by its place in /usr."""
        top, slash, _ = path.partition("/")
        return f"usr/{path}" if slash and top in _MERGED else path

    def install(self, package: Package) -> None:
        """Add the files of a package; IntegrityError (`file-conflict`) where another one has them in another way."""
        for entry, offset in package.entries:
            self._install(entry, offset, package.deb.name)
        self.packages.append(package)

    def _install(self, entry: Entry, offset: int, owner: str) -> None:
        if entry.path in _MERGED:
            self._aliases.add(entry.path)
            if entry.kind == "dir" or (entry.kind == "symlink" and entry.link.strip("/") == f"usr/{entry.path}"):
                return
        path = self.canonical(entry.path)
        link = self.canonical(entry.link) if entry.kind == "hardlink" else entry.link
        node = Node(entry=msgspec.structs.replace(entry, path=path, link=link), owner=owner, offset=offset)
        before = self._nodes.get(path)
        self._nodes[path] = node if before is None else self._one_of(before, node)
        # dpkg-deb lists every folder; packages made by other tools may not.
        while (path := path.rpartition("/")[0]) and path not in self._nodes:
            self._nodes[path] = Node(entry=Entry(path=path, kind="dir", mode=0o755), owner=owner)

    def _one_of(self, before: Node, node: Node) -> Node:
        """Return the node that stays where two packages ship a path."""
        pair = (before, node)
        kinds = {each.entry.kind for each in pair}
        if kinds == {"dir"}:
            # Every package ships /usr; base-files alone means /tmp with its modes.
            special = [each for each in pair if (each.entry.mode, each.entry.uid, each.entry.gid) != (0o755, 0, 0)]
            if len(special) < 2 or special[0].entry == special[1].entry:
                return (special or [before])[0]
        elif kinds == {"file"}:
            if before.entry == node.entry and self._same_bytes(before, node):
                return before
        elif before.entry == node.entry:
            return before
        else:
            # A compatibility link from one half of /usr to the other points at itself once they are one.
            for link, other in (pair, (node, before)):
                if link.entry.kind == "symlink" and self.canonical(link.entry.link.lstrip("/")) == link.entry.path:
                    return other
        raise IntegrityError(
            "file-conflict",
            "Two packages ship one path in different ways.",
            where=f"/{node.entry.path}",
            expected=f"{before.entry.kind} of {before.owner}",
            found=f"{node.entry.kind} of {node.owner}",
            hint="leave one of the two packages out",
        )

    def _same_bytes(self, one: Node, other: Node) -> bool:
        streams = (self.spool.chunks(each.offset, each.entry.size) for each in (one, other))
        return all(a == b for a, b in zip(*streams, strict=True))

    # What effects read.

    def get(self, path: str) -> Entry | None:
        """Return the entry of a path, links not followed."""
        node = self._nodes.get(self.canonical(path))
        return node.entry if node else None

    def resolve(self, path: str) -> str | None:
        """Return the path that `path` stands for once all symlinks are followed inside the tree, if it exists."""
        parts = path.strip("/").split("/")
        done: list[str] = []
        for _ in range(256):
            if not parts:
                return "/".join(done)
            part, *parts = parts
            if part in ("", "."):
                continue
            if part == "..":
                done = done[:-1]
                continue
            here = "/".join((*done, part))
            if here in self.aliased:
                done = ["usr", here]
                continue
            node = self._nodes.get(here)
            if node is None:
                return None
            if node.entry.kind == "symlink":
                parts = node.entry.link.split("/") + parts
                done = [] if node.entry.link.startswith("/") else done
            else:
                done = [*done, part]
        return None

    def read_at(self, path: str, offset: int, size: int) -> bytes:
        """Return up to `size` bytes of a file; KeyError where there is none."""
        node = self._file(path)
        return self.spool.read(node.offset + offset, max(0, min(size, node.entry.size - offset)))

    def read(self, path: str) -> bytes:
        """Return a whole file, links followed; KeyError where there is none."""
        return self.read_at(path, 0, self._file(path).entry.size)

    def _file(self, path: str) -> Node:
        resolved = self.resolve(path)
        node = self._nodes.get(resolved) if resolved else None
        if node and node.entry.kind == "hardlink":
            node = self._nodes.get(node.entry.link)
        if node is None or node.entry.kind != "file":
            raise KeyError(path)
        return node

    def under(self, folder: str, suffix: str = "") -> Sequence[Entry]:
        """Return the entries below a folder, links not followed, sorted by path."""
        prefix = f"{self.canonical(folder.rstrip('/') + '/')}"
        found = (p for p in self._nodes if p.startswith(prefix) and p.endswith(suffix))
        return [self._nodes[path].entry for path in sorted(found, key=str.encode)]

    # What effects write.

    def add(
        self,
        path: str,
        kind: Literal["file", "dir", "symlink"],
        *,
        owner: str,
        content: bytes = b"",
        link: str = "",
        mode: int = 0o644,
        gid: int = 0,
        replace: bool = False,
    ) -> None:
        """Add a path that no package ships, its parents first; IntegrityError (`file-conflict`) where one does.

        With `replace`, what is there goes.
        """
        path = self.canonical(path)
        if path in self._nodes and not replace and not self._may_go(path):
            raise IntegrityError(
                "file-conflict",
                "An effect would write over a file.",
                where=f"/{path}",
                expected=f"nothing, for the effect {owner}",
                found=f"{self._nodes[path].entry.kind} of {self._nodes[path].owner}",
            )
        parent = path.rpartition("/")[0]
        if parent and self.resolve(parent) is None:
            self.add(parent, "dir", owner=owner, mode=0o755)
        offset = 0
        if kind == "file":
            offset = self.spool.append(BytesIO(content), len(content))
        entry = Entry(
            path=path,
            kind=kind,
            mode=0o777 if kind == "symlink" else mode,
            gid=gid,
            size=len(content),
            link=link,
        )
        self._nodes[path] = Node(entry=entry, owner=owner, offset=offset)

    def _may_go(self, path: str) -> bool:  # noqa: ARG002 - what is below a delta may
        """Tell whether an effect may put something else in a node's place unasked."""
        return False

    # What comes out.

    def members(self) -> Iterator[Member]:
        """Iterate over all entries, sorted by the UTF-8 bytes of their paths; bodies stay readable afterwards."""
        first = self._first_of_hardlinks()
        for path in sorted(self._paths(), key=str.encode):
            node = self._nodes[path]
            self._check_parent(path)
            target = first.get(node.entry.link if node.entry.kind == "hardlink" else path)
            if target is not None and target != path:
                yield Entry(path=path, kind="hardlink", mode=node.entry.mode, link=target), None
                continue
            if node.entry.kind == "hardlink":
                node = self._nodes[node.entry.link]
                yield msgspec.structs.replace(node.entry, path=path), self._body(node)
                continue
            yield node.entry, self._body(node) if node.entry.kind == "file" else None

    def _paths(self) -> Iterable[str]:
        """Return the paths that come out."""
        return self._nodes

    def _check_parent(self, path: str) -> None:
        parent = path.rpartition("/")[0]
        node = self._nodes.get(parent)
        if parent and (node is None or node.entry.kind != "dir"):
            raise IntegrityError(
                "file-conflict",
                "A package ships a path below one that another package ships as something else than a folder.",
                where=f"/{path}",
                expected=f"a folder /{parent}",
                found=f"{node.entry.kind} of {node.owner}" if node else "a path through a link",
                hint="leave one of the two packages out",
            )

    def _body(self, node: Node) -> Body:
        return partial(self.spool.chunks, node.offset, node.entry.size)

    def _first_of_hardlinks(self) -> dict[str, str]:
        """Return the file of each group of hard links with the path that sorts first: the others point at it."""
        first: dict[str, str] = {}
        for path, node in self._nodes.items():
            if node.entry.kind == "hardlink":
                target = self._nodes.get(node.entry.link)
                if target is None or target.entry.kind != "file":
                    raise IntegrityError("bad-deb", "A hard link leads nowhere.", where=f"{node.owner}: {path}")
                first[node.entry.link] = min(first.get(node.entry.link, node.entry.link), path, key=str.encode)
        return first
