"""Debian binary packages (deb(5)): an ar archive around two tar archives, read in one pass and never trusted."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol, cast

from envlock.errors import IntegrityError
from envlock.formats.tar import Entry, Kind, entry_of
from envlock.formats.zstd import unzstd

_MAGIC = b"!<arch>\n"
_HEADER = 60
_CHUNK = 1 << 18
_CONTROL_LIMIT = 1 << 24
_XZ_MEMORY = 1 << 27
"""xz -9 needs 65 MiB."""
_CONTROL_MEMBERS = frozenset({"control", "md5sums", "conffiles", "preinst", "postinst", "triggers"})


class Content(Protocol):
    """The bytes of the file that `data_members` stands at."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, none at the end."""


def read_control(path: Path) -> dict[str, bytes]:
    """Return the control files of a package that envlock uses, by name (`control`, `md5sums`, `postinst`, ...).

    Raises IntegrityError (`bad-deb`).
    """
    found: dict[str, bytes] = {}
    with _reading(path), path.open("rb") as file, _archive(file, "control.tar") as archive:
        for member in archive:
            name = _safe(member.name)
            if name not in _CONTROL_MEMBERS:
                continue
            if not member.isreg() or member.size > _CONTROL_LIMIT or name in found:
                raise ValueError(f"control file {name!r} is no plain file, too large, or there twice")
            body = archive.extractfile(member)
            found[name] = body.read() if body else b""
        if "control" not in found:
            raise ValueError("it has no control file")
    return found


def data_members(path: Path) -> Iterator[tuple[Entry, Content | None]]:
    """Iterate over the files of a package in their own order, with the content of the regular ones.

    Modes, numeric owners and links are kept; paths lose their leading `./`, and the root itself is left out. A content
    must be read before the next member is asked for. Raises IntegrityError (`bad-deb`) for climbing or absolute
    paths, devices, pipes, sparse files and whatever is cut short.
    """
    with _reading(path), path.open("rb") as file, _archive(file, "data.tar") as archive:
        for member in archive:
            name = _safe(member.name)
            if not name:
                continue
            kind = _kind(member)
            link = _safe(member.linkname) if kind == "hardlink" else member.linkname if kind == "symlink" else ""
            if kind in ("hardlink", "symlink") and not link:
                raise ValueError(f"{name!r} is a link to nothing")
            entry = entry_of(member, name, kind, link)
            yield entry, _Checked(cast("Content", archive.extractfile(member)), path) if kind == "file" else None


class _Checked:
    """A content whose errors are those of its package, wherever it is read."""

    def __init__(self, content: Content, path: Path) -> None:
        self._content = content
        self._path = path

    def read(self, size: int = -1, /) -> bytes:
        with _reading(self._path):
            return self._content.read(size)


def _kind(member: tarfile.TarInfo) -> Kind:
    if member.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
        return "file"
    if member.isdir():
        return "dir"
    if member.issym():
        return "symlink"
    if member.islnk():
        return "hardlink"
    raise ValueError(f"{member.name!r} is a device, a pipe or a sparse file")


def _safe(name: str) -> str:
    """Return a path without its leading `./`; raise ValueError where it leaves the root or is written oddly."""
    parts = name.removesuffix("/").split("/")
    if parts[0] == ".":
        parts = parts[1:]
    if any(part in ("", ".", "..") for part in parts) or "\0" in name:
        raise ValueError(f"path {name!r} is absolute, climbs or is not in its shortest form")
    return "/".join(parts)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, EOFError, lzma.LZMAError, zlib.error, tarfile.TarError) as error:
        raise IntegrityError(
            "bad-deb",
            f"The Debian package cannot be read: {error}.",
            where=path.name,
            hint="a package with the locked sha256 was made that way: report it, or lock another version",
        ) from error


@contextmanager
def _archive(file: IO[bytes], name: str) -> Iterator[tarfile.TarFile]:
    """Open the tar archive of that name inside a package."""
    compression, size = _seek(file, name)
    content = _Inflated(file, size, _decompressor(compression))
    with tarfile.open(fileobj=cast("IO[bytes]", content), mode="r|", encoding="utf-8", errors="strict") as archive:
        yield archive
    # What follows the tar archive's end belongs to the compressed stream still, whose checksums come last.
    while content.read(_CHUNK):
        pass


def _seek(file: IO[bytes], name: str) -> tuple[str, int]:
    """Move to a member of the ar archive; return how it is compressed and its size."""
    if file.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("it is no ar archive")
    first = True
    while header := file.read(_HEADER):
        if len(header) != _HEADER or header[58:] != b"`\n":
            raise ValueError("an ar header is damaged")
        member = header[:16].decode("ascii").rstrip().removesuffix("/")
        size = int(header[48:58].decode("ascii"))
        if size < 0:
            raise ValueError("an ar header is damaged")
        if first and member != "debian-binary":
            raise ValueError("it does not begin with debian-binary")
        first = False
        if member == name or member.startswith(f"{name}."):
            return member.removeprefix(name).removeprefix("."), size
        file.seek(size + size % 2, 1)
    raise ValueError(f"it has no {name}")


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Stored:
    eof = False

    def decompress(self, data: bytes, _max_length: int, /) -> bytes:
        return data


class _Gzip:
    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


def _decompressor(compression: str) -> _Decompressor:
    match compression:
        case "":
            return _Stored()
        case "gz":
            return _Gzip()
        case "xz":
            return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
        case "zst":
            return unzstd()
    raise ValueError(f"its compression {compression!r} is none of xz, zst, gz and none")


class _Inflated:
    """A member of the ar archive as the sequential stream that tarfile reads."""

    def __init__(self, file: IO[bytes], size: int, decompressor: _Decompressor) -> None:
        self._file = file
        self._left = size
        self._decompressor = decompressor
        self._buffer = b""
        self._at = 0

    def read(self, size: int) -> bytes:
        while self._at == len(self._buffer):
            if self._decompressor.eof:
                return b""
            raw = self._file.read(min(_CHUNK, self._left))
            self._left -= len(raw)
            self._buffer, self._at = self._decompressor.decompress(raw, _CHUNK), 0
            if not raw and not self._buffer:
                if isinstance(self._decompressor, _Stored) and not self._left:
                    return b""
                raise EOFError("it is cut short")
        piece = self._buffer[self._at : self._at + size]
        self._at += len(piece)
        return piece
