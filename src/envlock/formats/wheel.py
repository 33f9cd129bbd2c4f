"""Reads a wheel without trusting it: what it would install, as raw streams and as verified bytes.

The binary distribution format is the one of https://packaging.python.org/specifications/binary-distribution-format/.
Anything that could make two readers see different files is refused: duplicate entries, disagreeing headers,
encryption, links, climbing paths, files that RECORD does not list.
"""

from __future__ import annotations

import binascii
import csv
import hashlib
import io
import os
import re
import stat
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal, NoReturn, Protocol, cast

import msgspec
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from envlock.errors import IntegrityError, UsageError
from envlock.formats.inflate import RAW, feed, inflater

Scheme = Literal["site", "scripts", "data", "headers"]

_READ = 1 << 16
_INFLATED = 1 << 22
"""Upper bound of one inflated chunk: a deflate stream can expand a thousandfold."""
_SMALL = 1 << 26
_SCHEMES: dict[str, Scheme] = {
    "purelib": "site",
    "platlib": "site",
    "scripts": "scripts",
    "data": "data",
    "headers": "headers",
}
_METADATA_LIMIT = 1 << 24
_UNHASHED = ("RECORD", "RECORD.jws", "RECORD.p7s")
_STANDARD = bytes.maketrans(b"-_", b"+/")
"""From the URL-safe alphabet of RECORD (RFC 4648, 5) to the one that binascii reads."""
_NO_DOTS = r"(?!\.\.?(?:/|\Z))"
_PLAIN = re.compile(rf"{_NO_DOTS}[^/\\\0:]+(?:/{_NO_DOTS}[^/\\\0]+)*")


class WheelEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a wheel: where it stands in the archive, and where it would be installed."""

    name: str
    """In the archive."""
    method: int
    """0 stored, 8 deflated (APPNOTE 4.4.5)."""
    crc: int
    size: int
    compressed_size: int
    header_offset: int
    limit: int
    """Offset of what follows in the archive: the stream must end at or before it."""
    executable: bool
    scheme: Scheme
    path: str
    """Inside the scheme."""
    sha256: str | None
    """Hex, from RECORD, but for a METADATA that RECORD is wrong of; None for RECORD itself and its signatures."""


class EntryPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A script that an installer generates (entry points specification)."""

    group: Literal["console", "gui"]
    name: str
    module: str
    attr: str


class RandomAccess(Protocol):
    """A file of known size that can be read at any offset, local or by range requests."""

    size: int

    def read_at(self, offset: int, size: int) -> bytes:
        """Return exactly `size` bytes from `offset`, fewer only at the end."""


class LocalFile:
    """A file on this machine, read by pread so that several threads may share it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._descriptor = file.fileno()
        self.size = os.fstat(self._descriptor).st_size

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`."""
        return os.pread(self._descriptor, size, offset)


class _Seekable(io.RawIOBase):
    """What zipfile needs of a RandomAccess to read the central directory."""

    def __init__(self, source: RandomAccess) -> None:
        self._source = source
        self._at = 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        at = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._source.size}[whence] + offset
        if at < 0:
            raise ValueError("seek before the beginning")
        self._at = at
        return at

    def read(self, size: int = -1) -> bytes:
        data = self._source.read_at(self._at, self._source.size - self._at if size < 0 else size)
        self._at += len(data)
        return data


class WheelFile:
    """An open wheel. Its constructor reads the central directory and RECORD and refuses what is not plain.

    Raises IntegrityError (`bad-wheel`) for an archive that contradicts itself, UsageError (`bad-wheel-name`) for a file
    name that is not a wheel's.
    """

    def __init__(self, source: RandomAccess, filename: str) -> None:
        self._source = source
        self.filename = filename
        try:
            name, version, _, _ = parse_wheel_filename(filename)
        except InvalidWheelFilename as error:
            raise UsageError(
                "bad-wheel-name", f"{filename!r} is not the file name of a wheel.", found=str(error)
            ) from None
        self.name = str(name)
        self.version = str(version)
        infos = self._read_directory()
        self.dist_info = self._find_dist_info(infos)
        offsets = sorted({info.header_offset for info in infos})
        self._limits = dict(zip(offsets, [*offsets[1:], self._source.size], strict=True))
        self._infos = {info.filename: info for info in infos}
        record = self._infos.get(f"{self.dist_info}/RECORD")
        if record is None:
            self._refuse("there is no RECORD", record=True)
        self.record = b"".join(self._inflate(self._place(record, None), check_sha256=False))
        """The bytes of RECORD."""
        self.record_sha256 = hashlib.sha256(self.record).hexdigest()
        self.entries = self._match(self._parse_record())
        """Files only, sorted by the UTF-8 bytes of their names."""

    def _refuse(self, why: str, *, record: bool = False) -> NoReturn:
        raise IntegrityError(
            "bad-record" if record else "bad-wheel",
            f"{self.filename} is refused: {why}.",
            where=self.filename,
            hint="Take another version of the package, or report the file to whoever published it.",
        )

    def _read_directory(self) -> list[zipfile.ZipInfo]:
        try:
            with zipfile.ZipFile(cast("IO[bytes]", _Seekable(self._source))) as archive:
                infos = [info for info in archive.infolist() if not info.is_dir()]
        except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
            self._refuse(f"it is not a complete zip archive ({error})")
        seen: set[str] = set()
        for info in infos:
            name = info.filename
            if info.orig_filename != name or not _is_plain(name):
                self._refuse(f"entry {info.orig_filename!r} would leave the folder it is installed to")
            if name in seen:
                self._refuse(f"entry {name!r} is there twice")
            seen.add(name)
            if info.header_offset < 0:
                self._refuse(f"entry {name!r} lies before the archive's beginning")
            if info.flag_bits & 0x2041:
                self._refuse(f"entry {name!r} is encrypted")
            if info.compress_type not in (0, 8):
                self._refuse(f"entry {name!r} is compressed by method {info.compress_type}; only 0 and 8 are read")
            mode = info.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                self._refuse(f"entry {name!r} is a link or a device")
        return infos

    def _find_dist_info(self, infos: list[zipfile.ZipInfo]) -> str:
        folders = sorted({top for info in infos if (top := info.filename.split("/", 1)[0]).endswith(".dist-info")})
        if len(folders) != 1:
            self._refuse(f"it has {len(folders)} .dist-info folders")
        project, _, version = folders[0].removesuffix(".dist-info").partition("-")
        if canonicalize_name(project) != self.name or canonicalize_version_text(version) != canonicalize_version_text(
            self.version
        ):
            self._refuse(f"its {folders[0]} is not that of {self.name} {self.version}")
        return folders[0]

    def _parse_record(self) -> dict[str, tuple[str | None, int | None]]:
        rows: dict[str, tuple[str | None, int | None]] = {}
        try:
            for row in csv.reader(io.StringIO(self.record.decode("utf-8"), newline="")):
                if not row or row[0].endswith("/"):
                    continue
                path, digest, size = row
                if path in rows:
                    self._refuse(f"RECORD lists {path!r} twice", record=True)
                rows[path] = (_sha256_hex(digest), int(size) if size else None)
        except (ValueError, csv.Error) as error:
            self._refuse(f"RECORD cannot be read ({error})", record=True)
        return rows

    def _match(self, rows: dict[str, tuple[str | None, int | None]]) -> tuple[WheelEntry, ...]:
        entries: list[WheelEntry] = []
        unhashed = {f"{self.dist_info}/{name}" for name in _UNHASHED}
        for name in sorted(self._infos, key=str.encode):
            if name in unhashed:
                rows.pop(name, None)
                entries.append(self._place(self._infos[name], None))
                continue
            if name not in rows:
                self._refuse(f"RECORD does not list {name!r}", record=True)
            sha256, size = rows.pop(name)
            if sha256 is None:
                self._refuse(f"RECORD gives no sha256 for {name!r}", record=True)
            info = self._infos[name]
            if size is not None and size != info.file_size:
                if name != f"{self.dist_info}/METADATA" or info.file_size > _METADATA_LIMIT:
                    self._refuse(f"RECORD gives {name!r} {size} bytes, the archive {info.file_size}", record=True)
                sha256 = self._sha256_of(info)
            entries.append(self._place(info, sha256))
        if rows:
            self._refuse(f"RECORD lists {min(rows)!r}, which is not in the archive", record=True)
        targets: dict[tuple[str, str], str] = {}
        for entry in entries:
            other = targets.setdefault((entry.scheme, entry.path), entry.name)
            if other != entry.name:
                self._refuse(f"entries {other!r} and {entry.name!r} install to the same path")
        return tuple(entries)

    def _sha256_of(self, info: zipfile.ZipInfo) -> str:
        """Hash a METADATA of another size than RECORD gives.

        PyTorch 1.8.1 to 1.12.1 and its companions were published so: the local version was cut out of METADATA alone.
        """
        digest = hashlib.sha256()
        for chunk in self._inflate(self._place(info, None), check_sha256=False):
            digest.update(chunk)
        return digest.hexdigest()

    def _place(self, info: zipfile.ZipInfo, sha256: str | None) -> WheelEntry:
        scheme, path = self._scheme(info.filename)
        return WheelEntry(
            name=info.filename,
            method=info.compress_type,
            crc=info.CRC,
            size=info.file_size,
            compressed_size=info.compress_size,
            header_offset=info.header_offset,
            limit=self._limits[info.header_offset],
            executable=bool((info.external_attr >> 16) & 0o111),
            scheme=scheme,
            path=path,
            sha256=sha256,
        )

    def _scheme(self, name: str) -> tuple[Scheme, str]:
        top, _, rest = name.partition("/")
        if top != self.dist_info.removesuffix(".dist-info") + ".data":
            return "site", name
        key, _, path = rest.partition("/")
        if key not in _SCHEMES or not path:
            self._refuse(f"entry {name!r} is of an unknown installation scheme")
        return _SCHEMES[key], path

    def _data_offset(self, entry: WheelEntry) -> int:
        """Check the local header against the central one (APPNOTE 4.3.7) and return where the stream begins."""
        header = self._source.read_at(entry.header_offset, 30)
        if len(header) != 30 or header[:4] != b"PK\x03\x04":
            self._refuse(f"entry {entry.name!r} has no local header")
        _, flags, method, _, _, crc, compressed, size, name_length, extra_length = struct.unpack(
            "<HHHHHIIIHH", header[4:]
        )
        name = self._source.read_at(entry.header_offset + 30, name_length)
        encoding = "utf-8" if flags & 0x800 else "cp437"
        sizes_follow = bool(flags & 0x08)
        zip64 = 0xFFFFFFFF in (compressed, size)
        if (
            name.decode(encoding, "replace") != entry.name
            or method != entry.method
            or flags & 0x2041
            or (
                not sizes_follow
                and not zip64
                and (crc, compressed, size) != (entry.crc, entry.compressed_size, entry.size)
            )
        ):
            self._refuse(f"the two headers of entry {entry.name!r} disagree")
        start: int = entry.header_offset + 30 + name_length + extra_length
        if start + entry.compressed_size > entry.limit:
            self._refuse(f"entry {entry.name!r} overlaps the next one")
        return start

    def raw(self, entry: WheelEntry) -> Iterator[bytes]:
        """Yield the compressed stream as it stands, in pieces of at most 64 KiB."""
        at = self._data_offset(entry)
        end = at + entry.compressed_size
        while at < end:
            piece = self._source.read_at(at, min(_READ, end - at))
            if not piece:
                self._refuse(f"it ends within entry {entry.name!r}")
            at += len(piece)
            yield piece

    def chunks(self, entry: WheelEntry) -> Iterator[bytes]:
        """Yield the plain bytes; IntegrityError where the stream's end, size, CRC or RECORD's sha256 disagree.

        The verdict falls at the end: do not use what was yielded before the iterator is exhausted.
        """
        return self._inflate(entry, check_sha256=True)

    def _inflate(self, entry: WheelEntry, *, check_sha256: bool) -> Iterator[bytes]:
        from isal import isal_zlib

        digest = hashlib.sha256() if check_sha256 and entry.sha256 is not None else None
        size = crc = 0
        pieces = self.raw(entry) if entry.method == 0 else self._inflated(entry)
        for plain in pieces:
            size += len(plain)
            if size > entry.size:
                break
            crc = isal_zlib.crc32(plain, crc)
            if digest is not None:
                digest.update(plain)
            yield plain
        if size != entry.size or crc != entry.crc:
            self._refuse(f"entry {entry.name!r} does not have the size and CRC-32 that its header gives")
        if digest is not None and digest.hexdigest() != entry.sha256:
            self._refuse(f"{entry.name!r} is not the file whose sha256 RECORD gives", record=True)

    def _inflated(self, entry: WheelEntry) -> Iterator[bytes]:
        stream = inflater(RAW)
        try:
            for piece in self.raw(entry):
                if stream.eof:
                    self._refuse(f"the stream of entry {entry.name!r} goes on after its final block")
                yield from feed(stream, piece, _INFLATED)
        except ValueError as error:
            self._refuse(f"the stream of entry {entry.name!r} is not deflate ({error})")
        if not stream.eof or stream.unused_data:
            self._refuse(f"the stream of entry {entry.name!r} does not end with its final block")

    def read(self, entry: WheelEntry) -> bytes:
        """Return a small file whole, verified."""
        if entry.size > _SMALL:
            self._refuse(f"entry {entry.name!r} of {entry.size} bytes is too large for what it should be")
        return b"".join(self.chunks(entry))

    def metadata_file(self, name: str) -> bytes | None:
        """Return a file of the .dist-info folder, such as METADATA, or None where there is none."""
        path = f"{self.dist_info}/{name}"
        entry = next((e for e in self.entries if e.name == path), None)
        return None if entry is None else self.read(entry)

    def entry_points(self) -> tuple[EntryPoint, ...]:
        """Return the scripts to generate, sorted by name."""
        from installer.utils import parse_entrypoints

        text = self.metadata_file("entry_points.txt")
        if text is None:
            return ()
        try:
            points = [
                EntryPoint(group="gui" if group == "gui" else "console", name=name, module=module, attr=attr)
                for name, module, attr, group in parse_entrypoints(text.decode("utf-8"))
            ]
        except Exception as error:  # noqa: BLE001 - configparser, assert and decode errors alike
            self._refuse(f"its entry_points.txt cannot be read ({type(error).__name__})")
        for point in points:
            if not re.fullmatch(r"[^/\\\0]+", point.name) or point.name in (".", ".."):
                self._refuse(f"its entry point {point.name!r} is not a file name")
        return tuple(sorted(points, key=lambda point: point.name))


@contextmanager
def open_wheel(path: Path, filename: str | None = None) -> Iterator[WheelFile]:
    """Open a wheel on this machine; `filename` where the path's last component is not its name."""
    with path.open("rb") as file:
        yield WheelFile(LocalFile(file), filename or path.name)


def canonicalize_version_text(text: str) -> str:
    """Return a version in one spelling; the .dist-info folder may write 1.0 where the file name writes 1.0.0."""
    from packaging.utils import canonicalize_version

    return canonicalize_version(text.replace("_", "+"))


def _is_plain(name: str) -> bool:
    """Tell whether a path stays below the folder it is joined to, on any system."""
    return _PLAIN.fullmatch(name) is not None


def _sha256_hex(field: str) -> str | None:
    algorithm, _, digest = field.partition("=")
    if algorithm != "sha256":
        return None
    raw = binascii.a2b_base64(digest.encode().translate(_STANDARD) + b"=" * (-len(digest) % 4))
    if len(raw) != 32:
        raise ValueError(f"{field!r} is not a sha256")
    return raw.hex()
