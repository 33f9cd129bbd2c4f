"""What `run` steps changed, normalised: the difference of a container becomes a layer that says nothing of the run.

Left out is what containers and package managers leave behind and no image needs:

* everything below /dev, /proc, /sys, /run, /tmp and /var/tmp, and the first three themselves;
* files, not folders, below /var/log, /var/cache/apt, /var/cache/fontconfig, /var/cache/ldconfig and
  /var/lib/apt/lists;
* /.dockerenv, /etc/hostname, /etc/hosts, /etc/mtab, /etc/resolv.conf, /etc/machine-id and /var/lib/dbus/machine-id;
* bytecode that holds a time (PEP 552): it is stale as soon as its source has the layer's time.

Times, and the names of owners, are lost; modes, numeric owners, links and whiteouts stay.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

import msgspec

from envlock.errors import IntegrityError, UsageError
from envlock.formats.tar import Entry, Kind, Member, entry_of

_NOWHERE = ("dev", "proc", "sys")
_EMPTIED = (*_NOWHERE, "run", "tmp", "var/tmp")
_WITHOUT_FILES = ("var/log", "var/cache/apt", "var/cache/fontconfig", "var/cache/ldconfig", "var/lib/apt/lists")
_LEFT_BEHIND = frozenset(
    (
        ".dockerenv",
        "etc/hostname",
        "etc/hosts",
        "etc/machine-id",
        "etc/mtab",
        "etc/resolv.conf",
        "var/lib/dbus/machine-id",
    )
)
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_RESERVED = ".wh..wh."
"""What some Engines keep for themselves, but for the mark of an opaque folder (image-spec 1.1, layer.md)."""
_LOCKED = ("opt/envlock", "opt/venv")
"""Folders of the lock's own layers, which are below that of the steps."""
_CAPABILITY = "SCHILY.xattr.security.capability"
_READ = 1 << 20


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One path of the difference; a whiteout is an empty file of its name."""

    entry: Entry
    content: tarfile.TarInfo | None = None
    """Where the bytes of a file stand in the difference; the body of a hard link's first name."""


class Difference:
    """A normalised difference, while its file is open."""

    def __init__(self, archive: tarfile.TarFile, changes: Sequence[Change], warnings: Sequence[str]) -> None:
        self._archive = archive
        self._changes = changes
        self.warnings = tuple(warnings)
        """What a layer cannot hold, one sentence each."""

    def members(self) -> Iterator[Member]:
        """Yield what goes to the layer, sorted by the UTF-8 bytes of paths, each folder before its content."""
        for change in self._changes:
            yield change.entry, None if change.content is None else partial(self._chunks, change.content)

    def _chunks(self, member: tarfile.TarInfo) -> Iterator[bytes]:
        body = self._archive.extractfile(member)
        while body is not None and (chunk := body.read(_READ)):
            yield chunk


@contextmanager
def read_difference(path: Path) -> Iterator[Difference]:
    """Open the uncompressed layer that an Engine made of a container, and normalise it.

    Raises IntegrityError (`bad-layer`) for an archive that cannot be read, UsageError for a device or pipe, which no
    layer of envlock holds (`step-leaves-device`), and for what would hide the locked environment (`step-in-the-way`).
    """
    try:
        archive = tarfile.open(path, mode="r:", encoding="utf-8", errors="surrogateescape")  # noqa: SIM115
    except tarfile.ReadError as error:
        raise _unreadable(str(error)) from error
    with archive:
        try:
            found = {_path(member.name): member for member in archive}
        except tarfile.TarError as error:
            raise _unreadable(str(error)) from error
        kept = {place: member for place, member in found.items() if _counts(place, member, found, archive)}
        _check_reach(kept)
        changes = list(_changes(kept, found))
        yield Difference(archive, changes, _lost(kept))


def _path(name: str) -> str:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise _unreadable(f"{name!r} climbs out of it")
    return "/".join(parts)


def _counts(place: str, member: tarfile.TarInfo, found: dict[str, tarfile.TarInfo], archive: tarfile.TarFile) -> bool:
    """Tell whether a path belongs to the layer."""
    folder, _, name = place.rpartition("/")
    if not place or (name.startswith(_RESERVED) and name != _OPAQUE):
        return False
    hidden = name.startswith(_WHITEOUT) and name != _OPAQUE
    meant = f"{folder}/{name.removeprefix(_WHITEOUT)}".lstrip("/") if hidden else place
    if meant in _LEFT_BEHIND or meant in _NOWHERE or meant.startswith(tuple(f"{each}/" for each in _EMPTIED)):
        return False
    if not member.isdir() and meant.startswith(tuple(f"{each}/" for each in _WITHOUT_FILES)):
        return False
    return not (name.endswith(".pyc") and not hidden and _holds_a_time(member, found, archive))


def _check_reach(kept: dict[str, tarfile.TarInfo]) -> None:
    """Refuse what lies over the lock's own folders in an image: steps are executed where these are not yet."""
    for place, member in sorted(kept.items()):
        folder, _, name = place.rpartition("/")
        hides = name.startswith(_WHITEOUT) or not member.isdir()
        meant = place
        if name == _OPAQUE:
            meant = folder
        elif name.startswith(_WHITEOUT):
            meant = f"{folder}/{name.removeprefix(_WHITEOUT)}".lstrip("/")
        for own in _LOCKED:
            if f"{meant}/".startswith(f"{own}/") or (hides and f"{own}/".startswith(f"{meant}/".lstrip("/"))):
                raise UsageError(
                    "step-in-the-way",
                    f"A step changes or hides /{own}, which is the lock's.",
                    where=f"/{place}",
                    expected=f"no change of /{own}, and /opt a folder that was not emptied",
                    hint="What a base has there is hidden anyway; put other things elsewhere, such as /usr/local.",
                )


def _holds_a_time(member: tarfile.TarInfo, found: dict[str, tarfile.TarInfo], archive: tarfile.TarFile) -> bool:
    """Tell whether bytecode is judged by its source's time, which its header then holds (PEP 552, flags 0)."""
    target = found.get(_path(member.linkname), member) if member.islnk() else member
    body: IO[bytes] | None = archive.extractfile(target) if target.isreg() else None
    return body is not None and body.read(8)[4:] == bytes(4)


def _changes(kept: dict[str, tarfile.TarInfo], found: dict[str, tarfile.TarInfo]) -> Iterator[Change]:
    """Yield the kept paths in order; of several names of one file the first has the content."""
    first: dict[str, str] = {}
    for place in sorted(kept, key=lambda path: path.encode("utf-8", "surrogateescape")):
        member = kept[place]
        if place.rpartition("/")[2].startswith(_WHITEOUT):
            yield Change(entry=Entry(path=place, kind="file", mode=0))
            continue
        kind = _kind(member, place)
        content = member
        if kind in ("file", "hardlink"):
            root = _root(place, found)
            content = found[root]
            if root in first:
                yield Change(entry=entry_of(content, place, "hardlink", first[root]))
                continue
            first[root] = place
            kind = "file"
        entry = entry_of(content, place, kind, member.linkname if kind == "symlink" else "")
        yield Change(entry=entry, content=content if entry.size else None)


def _root(place: str, found: dict[str, tarfile.TarInfo]) -> str:
    """Return the path that has the content of a file or hard link."""
    member = found[place]
    if not member.islnk():
        return place
    target = _path(member.linkname)
    if target not in found or not found[target].isreg():
        raise _unreadable(f"{place!r} is a hard link to {target!r}, which is no file of it")
    return target


def _kind(member: tarfile.TarInfo, place: str) -> Kind:
    if member.isdir():
        return "dir"
    if member.issym():
        return "symlink"
    if member.islnk():
        return "hardlink"
    if member.isreg() and not member.issparse():
        return "file"
    raise UsageError(
        "step-leaves-device",
        "A step leaves a device, a pipe or a sparse file, which the layers of an image of envlock do not hold.",
        where=f"/{place}",
        expected="files, folders and links",
        hint="Remove it at the end of the step, or make it below /run, of which nothing is kept.",
    )


def _lost(kept: dict[str, tarfile.TarInfo]) -> list[str]:
    return [
        f"/{place} loses its file capabilities: layers hold modes, owners and links alone"
        for place in sorted(kept)
        if _CAPABILITY in kept[place].pax_headers
    ]


def _unreadable(why: str) -> IntegrityError:
    return IntegrityError(
        "bad-layer",
        f"The difference that the Engine made of a container cannot be read: {why}.",
        hint="Run it again; if it stays so, look at the Engine's log and its disk.",
    )
