"""Tar entries as values, with their headers written by hand so that no library's choices reach a layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

import msgspec

from envlock.errors import UsageError

if TYPE_CHECKING:
    from tarfile import TarInfo

Kind = Literal["file", "dir", "symlink", "hardlink", "other"]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One member of a layer.

    `path` has no leading or trailing slash; `link` is a symlink's or hard link's target. Devices and pipes are `other`:
    read from foreign layers, never written.
    """

    path: str
    kind: Kind
    mode: int
    uid: int = 0
    gid: int = 0
    size: int = 0
    link: str = ""


def entry_of(member: TarInfo, path: str, kind: Kind, link: str = "") -> Entry:
    """Return a member that the standard library read, under the path and kind that its reader found good."""
    return Entry(
        path=path,
        kind=kind,
        mode=0o777 if kind == "symlink" else member.mode & 0o7777,
        uid=member.uid,
        gid=member.gid,
        size=member.size if kind == "file" else 0,
        link=link,
    )


Body = Callable[[], Iterator[bytes]]
"""Opens the bytes of a file entry, in chunks of a few MiB at most."""

Member = tuple[Entry, Body | None]

BLOCK = 512
MTIME = 315_532_800
"""Every entry's time: 1980-01-01T00:00:00Z, the first that a wheel can hold."""

END = bytes(2 * BLOCK)
"""Closes an archive (POSIX.1-2017, pax, ustar interchange format)."""

_TYPE = {"file": b"0", "hardlink": b"1", "symlink": b"2", "dir": b"5"}
_PAX = b"x"
_NAME, _LINK, _PREFIX = 100, 100, 155
_MAX_SIZE = 8**11 - 1
_MAX_ID = 8**7 - 1


def padding(size: int) -> bytes:
    """Return the NULs that fill the last block of a body of `size` bytes."""
    return bytes(-size % BLOCK)


def header(entry: Entry) -> bytes:
    """Return the blocks before an entry's body: ustar, with a PAX record only for what ustar cannot say.

    That is `path` and `linkpath` which do not fit or are not ASCII, and `size` from 8 GiB on.
    """
    path = _encoded(entry.path, entry)
    if entry.kind == "dir":
        path += b"/"
    link = _encoded(entry.link, entry)
    if not 0 <= max(entry.uid, entry.gid) <= _MAX_ID:
        raise UsageError("tar-owner", "An owner's number does not fit into a tar header.", where=entry.path)
    records = b""
    fitting = _split(path)
    if fitting is None:
        records += _record(b"path", path)
    if len(link) > _LINK or not link.isascii():
        records += _record(b"linkpath", link)
    size = entry.size if entry.kind == "file" else 0
    if size > _MAX_SIZE:
        records += _record(b"size", str(size).encode())
        size = 0
    prefix, name = fitting or (b"", path[:_NAME])
    block = _block(prefix, name, entry.mode, entry.uid, entry.gid, size, _TYPE[entry.kind], link[:_LINK])
    if not records:
        return block
    extended = _block(b"", b"././@PaxHeader", 0o644, 0, 0, len(records), _PAX, b"")
    return extended + records + padding(len(records)) + block


def _encoded(text: str, entry: Entry) -> bytes:
    try:
        encoded = text.encode()
    except UnicodeEncodeError as error:
        raise UsageError("tar-path", "A path is not UTF-8, which PAX asks for.", where=ascii(entry.path)) from error
    if b"\0" in encoded:
        raise UsageError("tar-path", "A path holds a NUL byte.", where=ascii(entry.path))
    return encoded


def _split(path: bytes) -> tuple[bytes, bytes] | None:
    """Return (prefix, name) of a path that ustar's two fields can hold, else None."""
    if not path.isascii():
        return None
    if len(path) <= _NAME:
        return b"", path
    # The last slash that leaves a prefix of at most 155 bytes; a directory's own slash belongs to its name.
    cut = path.rfind(b"/", 0, min(_PREFIX + 1, len(path) - 1))
    return (path[:cut], path[cut + 1 :]) if cut > 0 and len(path) - cut - 1 <= _NAME else None


def _record(key: bytes, value: bytes) -> bytes:
    """Return a PAX record, whose length counts its own digits."""
    length = len(key) + len(value) + 3
    digits = len(str(length))
    if len(str(length + digits)) > digits:
        digits += 1
    return b"%d %s=%s\n" % (length + digits, key, value)


def _block(prefix: bytes, name: bytes, mode: int, uid: int, gid: int, size: int, kind: bytes, link: bytes) -> bytes:
    fields = b"%s%07o\0%07o\0%07o\0%011o\0%011o\0        %s%sustar\x0000%s%s" % (
        name.ljust(_NAME, b"\0"),
        mode & 0o7777,
        uid,
        gid,
        size,
        MTIME,
        kind,
        link.ljust(_LINK, b"\0"),
        bytes(32 + 32 + 8 + 8),  # user and group name, device numbers
        prefix,
    )
    block = fields.ljust(BLOCK, b"\0")
    return b"%s%06o\0 %s" % (block[:148], sum(block), block[156:])
