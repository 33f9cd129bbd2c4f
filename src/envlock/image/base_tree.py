"""The file tree of an image with packages on top: links of the image are followed, and only what changes comes out."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import msgspec

from envlock.errors import IntegrityError
from envlock.formats.deb import Content
from envlock.formats.image_tree import merged
from envlock.formats.layer_reader import read_layer
from envlock.formats.tar import Entry, Member
from envlock.image.layer import Layer
from envlock.image.tree import Node, Package, Spool, Tree
from envlock.model.edges import Task

BASE = "the base"
"""Owner of what the image has."""
_LEFT_OUT = -1
"""Place of a content that was not kept."""
_LINKS = 40
"""How many symbolic links Linux follows in one path (path_resolution(7))."""
_READ = 1 << 20
_THREADS = 2
"""Layers at a time: inflating and hashing leave the interpreter's lock alone."""
_KEPT = (
    "etc/*",
    "usr/local/share/ca-certificates/*",
    "usr/share/base-files/nsswitch.conf",
    "usr/share/ca-certificates/*",
    "usr/share/debianutils/shells",
    "usr/share/libc-bin/nsswitch.conf",
    "usr/share/mime/packages/*",
    "var/lib/dpkg/alternatives/*",
    "var/lib/dpkg/info/*.list",
    "var/lib/dpkg/status",
    "var/lib/dpkg/status.d/*",
)
"""What effects read of an image, beside its libraries."""
_LIBRARIES = ("lib*.so*", "ld-*.so*", "ld.so*")
_MODULES = ("/site-packages/", "/dist-packages/")
"""Libraries below these are found by their packages' own paths, and may have gigabytes."""


class BaseTree(Tree):
    """Nodes of an image, and what packages and effects put above them, as dpkg does in that image."""

    aliased: Collection[str] = ()

    def __init__(self, machine: str, spool: Spool, nodes: dict[str, Node]) -> None:
        super().__init__(machine, spool)
        self._nodes = nodes
        self._removed: set[str] = set()
        for path in list(nodes):
            while (path := posixpath.dirname(path)) and path not in nodes:
                nodes[path] = Node(entry=Entry(path=path, kind="dir", mode=0o755), owner=BASE)

    def canonical(self, path: str) -> str:
        """Return a path with the links of the image followed in all of it but its last part, as tar and dpkg do."""
        folder, slash, name = path.rpartition("/")
        return f"{self._followed(folder)}/{name}" if slash else path

    def _followed(self, folder: str) -> str:
        """Follow links where there are any; what is not there stays as it is spelled."""
        parts, done, links = folder.split("/"), list[str](), 0
        while parts:
            part = parts.pop(0)
            if part in ("", "."):
                continue
            if part == "..":
                del done[-1:]
                continue
            node = self._nodes.get("/".join((*done, part)))
            if node is not None and node.kind == "symlink" and links < _LINKS:
                links += 1
                parts = node.link.split("/") + parts
                done = [] if node.link.startswith("/") else done
                continue
            done.append(part)
        return "/".join(done)

    # What packages bring.

    def install(self, package: Package) -> None:
        """Unpack a package as dpkg does: an older version of it that the image has goes, settings of the image stay."""
        self._remove_older(package)
        settings = package.control.get("conffiles", b"").decode("utf-8", "replace").split()
        kept = {path.lstrip("/") for path in settings if self._is_own_setting(path, package.deb.name)}
        entries = tuple(pair for pair in package.entries if pair[0].path not in kept)
        for entry, offset in entries:
            self._install(entry, offset, package.deb.name)
        self.packages.append(package)

    def _install(self, entry: Entry, offset: int, owner: str) -> None:
        path = self.canonical(entry.path)
        before = self._nodes.get(path)
        if before is not None and before.owner == BASE:
            # As dpkg does: a folder, or a link to one, stays under a package's folder, and a folder under its link.
            target = self._nodes.get(self.resolve(path) or "")
            if entry.kind == "dir" and target is not None and target.kind == "dir":
                return
            if entry.kind == "symlink" and before.kind == "dir":
                return
            if "dir" in (entry.kind, before.kind):
                raise IntegrityError(
                    "file-conflict",
                    "A package cannot be put on top of the base: what is a folder in one is none in the other.",
                    where=f"/{path}",
                    expected=f"{before.kind} of the base",
                    found=f"{entry.kind} of {owner}",
                    hint="leave the package out of os-packages, or choose another base",
                )
            del self._nodes[path]
        super()._install(entry, offset, owner)

    def _remove_older(self, package: Package) -> None:
        """Remove the files that the image has of this package and that no other package of the image has."""
        name = package.deb.name
        folder = "var/lib/dpkg/info"
        own = {f"{folder}/{name}.list", f"{folder}/{name}:{package.deb.architecture}.list"}
        older = self._listed(path for path in own if path in self)
        if not older:
            return
        others = self._listed(e.path for e in self.under(folder, ".list") if e.path not in own)
        brought = {self.canonical(entry.path) for entry, _ in package.entries}
        for path in older - others - brought:
            node = self._nodes.get(path)
            if node is not None and node.owner == BASE and node.kind != "dir" and not path.startswith("etc/"):
                del self._nodes[path]
                self._removed.add(path)

    def _listed(self, lists: Iterable[str]) -> set[str]:
        """Return the paths in lists of dpkg."""
        texts = (self.read(path).decode("utf-8", "surrogateescape") for path in lists)
        return {self.canonical(line.lstrip("/")) for text in texts for line in text.splitlines()}

    def _is_own_setting(self, path: str, package: str) -> bool:
        """Tell whether the image has a settings file other than the package's older version brought it."""
        node = self._nodes.get(self.canonical(path.lstrip("/")))
        if node is None or node.owner != BASE or node.kind != "file" or node.offset == _LEFT_OUT:
            return False  # settings are in /etc (Debian policy, 10.7.2); elsewhere the package's are taken
        found = hashlib.md5(self.read(path), usedforsecurity=False).hexdigest()
        status = self.read("var/lib/dpkg/status").decode("utf-8", "replace") if "var/lib/dpkg/status" in self else ""
        stanza = next((each for each in status.split("\n\n") if each.lstrip().startswith(f"Package: {package}\n")), "")
        return f"\n {path} {found}" not in stanza

    # What effects do.

    def _file(self, path: str) -> Node:
        node = super()._file(path)
        if node.offset == _LEFT_OUT:
            raise LookupError(f"/{path} of the base was not kept for reading")
        return node

    def _may_go(self, path: str) -> bool:
        return self._nodes[path].owner == BASE

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
        """Add a path unless the image has just that; what packages brought is not written over, what it had is."""
        before = self._nodes.get(self.canonical(path))
        if before is not None and before.owner == BASE and before.kind == kind:
            same_place = before.link == link and (
                kind == "symlink" or (before.entry.mode, before.entry.gid) == (mode, gid)
            )
            if same_place and (kind != "file" or (before.offset != _LEFT_OUT and self.read(path) == content)):
                return
        super().add(path, kind, owner=owner, content=content, link=link, mode=mode, gid=gid, replace=replace)

    # What comes out.

    def _paths(self) -> Iterable[str]:
        own = {path for path, node in self._nodes.items() if node.owner != BASE}
        return own | {folder for path in own | self._removed for folder in self._special_parents(path)}

    def _special_parents(self, path: str) -> Iterator[str]:
        """Yield the image's folders above a path that are no plain ones: Docker's graph drivers would make them so.

        They unpack each layer by itself, and give a folder that it does not list root and 0755.
        """
        while path := posixpath.dirname(path):
            node = self._nodes.get(path)
            if node is not None and node.kind == "dir" and node.owner == BASE:
                entry = node.entry
                if (entry.mode, entry.uid, entry.gid) != (0o755, 0, 0):
                    yield path

    def members(self) -> Iterator[Member]:
        """Iterate over what is not the image's, sorted, with whiteouts of what goes (image-spec 1.1, layer.md)."""
        whiteouts = (
            Entry(
                path=posixpath.join(posixpath.dirname(path), f".wh.{posixpath.basename(path)}"), kind="file", mode=0o644
            )
            for path in self._removed
            if path not in self._nodes
        )
        own: list[Member] = [*super().members(), *((entry, None) for entry in whiteouts)]
        yield from sorted(own, key=lambda member: member[0].path.encode())


def base_tree(machine: str, layers: Sequence[tuple[Layer, Path]], task: Task) -> BaseTree:
    """Read the layers of an image from their blobs, the lowest first, digests checked.

    Contents that no effect reads are left out; `task` counts the bytes of the blobs. Raises IntegrityError
    (`bad-layer`, `digest-mismatch`) and UnverifiableError (`sparse-file`).
    """
    spool = Spool()
    pool = ThreadPoolExecutor(_THREADS)
    try:
        nodes = merged(pool.map(lambda pair: list(_nodes(pair[0], _chunks(pair[1], task), spool)), layers))
    finally:
        pool.shutdown(cancel_futures=True)
    named = {path.lstrip("/"): node for path, node in nodes.items()}
    return BaseTree(machine, spool, {path: _at(path, node) for path, node in named.items()})


def _at(path: str, node: Node) -> Node:
    """Return a node under its own path: hard links have become what they point to."""
    if node.entry.path == path:
        return node
    return msgspec.structs.replace(node, entry=msgspec.structs.replace(node.entry, path=path))


def _nodes(layer: Layer, blob: Iterator[bytes], spool: Spool) -> Iterator[tuple[str, Node]]:
    where = f"layer {layer.digest[:19]} of the base"
    for entry, body in read_layer(blob, where=where, digest=layer.digest, diff_id=layer.diff_id):
        if entry.path:
            offset = 0
            if entry.kind == "file":
                offset = spool.append(_Streamed(body), entry.size) if _is_read(entry.path) else _LEFT_OUT
            yield f"/{entry.path}", Node(entry=entry, owner=BASE, offset=offset)


def _is_read(path: str) -> bool:
    if any(fnmatchcase(path, pattern) for pattern in _KEPT):
        return True
    library = any(fnmatchcase(posixpath.basename(path), pattern) for pattern in _LIBRARIES)
    return library and not any(folder in path for folder in _MODULES)


def _chunks(path: Path, task: Task) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_READ):
            task.advance(len(chunk))
            yield chunk


class _Streamed(Content):
    """A body in chunks, read as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes."""
        if not self._rest:
            self._rest = next(self._chunks, b"")
        piece, self._rest = (self._rest[:size], self._rest[size:]) if size >= 0 else (self._rest, b"")
        return piece
