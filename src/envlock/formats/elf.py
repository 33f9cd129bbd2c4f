"""ELF shared objects: what a dynamic linker reads of them, without trusting an offset (ELF gABI, chapters 4 and 5)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

import msgspec

ReadAt = Callable[[int, int], bytes]
"""Return up to `size` bytes at `offset`: `read(offset, size)`."""

_MACHINES = {62: "x86_64", 183: "aarch64", 3: "i386", 40: "arm"}
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_SONAME, _DT_RPATH, _DT_RUNPATH = 0, 1, 5, 10, 14, 15, 29
_DT_VERNEED, _DT_VERNEEDNUM = 0x6FFFFFFE, 0x6FFFFFFF
_LIMIT = 1 << 24
"""No table of a real library comes near this many bytes."""


class Elf(msgspec.Struct, frozen=True, kw_only=True):
    """The dynamic section of an ELF file, its strings resolved."""

    machine: str
    """The kernel's name (`uname -m`), or the ELF number where envlock knows no name."""
    bits: int
    type: int
    """ET_EXEC is 2, ET_DYN is 3."""
    soname: str = ""
    needed: tuple[str, ...] = ()
    runpath: str = ""
    """DT_RUNPATH, else DT_RPATH."""
    versions: tuple[tuple[str, str], ...] = ()
    """Symbol versions it needs, as (library, version) such as (libc.so.6, GLIBC_2.14), sorted."""

    @property
    def glibc(self) -> tuple[int, ...]:
        """The newest GLIBC_x.y it needs, as numbers; empty where it needs none."""
        numbers = (
            tuple(int(number) for number in version.removeprefix("GLIBC_").split("."))
            for _, version in self.versions
            if version.startswith("GLIBC_") and version.removeprefix("GLIBC_").replace(".", "").isdecimal()
        )
        return max(numbers, default=())


def read_elf(read: ReadAt) -> Elf | None:
    """Read the dynamic section; None for a file that is no ELF.

    Raises ValueError for an ELF file whose tables point outside the file or contradict each other.
    """
    ident = read(0, 16)
    if ident[:4] != b"\x7fELF":
        return None
    try:
        return _read(read, ident)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"damaged ELF file: {error}") from error


def _read(read: ReadAt, ident: bytes) -> Elf:
    bits = {1: 32, 2: 64}.get(ident[4])
    order = {1: "<", 2: ">"}.get(ident[5])
    if bits is None or order is None:
        raise ValueError("damaged ELF file: neither 32 nor 64 bits, or no byte order")
    file_type, number = struct.unpack(f"{order}HH", _exactly(read, 16, 4))
    machine = _MACHINES.get(number, str(number))
    segments = list(_segments(read, bits, order))
    dynamic = next(((offset, size) for kind, offset, _, size in segments if kind == _PT_DYNAMIC), None)
    if dynamic is None or dynamic[1] == 0:
        return Elf(machine=machine, bits=bits, type=file_type)
    tags = list(_tags(_exactly(read, *dynamic), bits, order))
    single = dict(reversed(tags))
    if _DT_STRTAB not in single:
        return Elf(machine=machine, bits=bits, type=file_type)
    strings = _exactly(read, _offset(segments, single[_DT_STRTAB]), single.get(_DT_STRSZ, 0))
    versions = sorted(set(_version_needs(read, segments, single, strings, order)))
    return Elf(
        machine=machine,
        bits=bits,
        type=file_type,
        soname=_string(strings, single[_DT_SONAME]) if _DT_SONAME in single else "",
        needed=tuple(_string(strings, value) for tag, value in tags if tag == _DT_NEEDED),
        runpath=next((_string(strings, single[tag]) for tag in (_DT_RUNPATH, _DT_RPATH) if tag in single), ""),
        versions=tuple(versions),
    )


Segment = tuple[int, int, int, int]
"""Type, file offset, virtual address, file size."""


def _segments(read: ReadAt, bits: int, order: str) -> Iterator[Segment]:
    if bits == 64:
        (table,) = struct.unpack(f"{order}Q", _exactly(read, 32, 8))
        entry_size, count = struct.unpack(f"{order}HH", _exactly(read, 54, 4))
        layout, least = f"{order}II6Q", 56
    else:
        (table,) = struct.unpack(f"{order}I", _exactly(read, 28, 4))
        entry_size, count = struct.unpack(f"{order}HH", _exactly(read, 42, 4))
        layout, least = f"{order}8I", 32
    if count and entry_size < least:
        raise ValueError("damaged ELF file: program headers too small")
    rows = _exactly(read, table, entry_size * count)
    for index in range(count):
        fields = struct.unpack_from(layout, rows, index * entry_size)
        if bits == 64:
            kind, _, offset, address, _, size = fields[:6]
        else:
            kind, offset, address, _, size = fields[:5]
        yield kind, offset, address, size


def _tags(rows: bytes, bits: int, order: str) -> Iterator[tuple[int, int]]:
    layout = struct.Struct(f"{order}qQ" if bits == 64 else f"{order}iI")
    usable = rows[: len(rows) - len(rows) % layout.size]
    for tag, value in layout.iter_unpack(usable):
        if tag == _DT_NULL:
            return
        yield tag, value


def _version_needs(
    read: ReadAt, segments: list[Segment], tags: dict[int, int], strings: bytes, order: str
) -> Iterator[tuple[str, str]]:
    if _DT_VERNEED not in tags:
        return
    offset = _offset(segments, tags[_DT_VERNEED])
    for _ in range(min(tags.get(_DT_VERNEEDNUM, 0), 4096)):
        _, count, library, first, following = struct.unpack(f"{order}HHIII", _exactly(read, offset, 16))
        entry = offset + first
        for _ in range(count):
            _, _, _, name, step = struct.unpack(f"{order}IHHII", _exactly(read, entry, 16))
            yield _string(strings, library), _string(strings, name)
            if not step:
                break
            entry += step
        if not following:
            return
        offset += following


def _offset(segments: list[Segment], address: int) -> int:
    """Return where in the file a virtual address is."""
    for kind, offset, start, size in segments:
        if kind == _PT_LOAD and start <= address < start + size:
            return offset + address - start
    raise ValueError(f"damaged ELF file: no segment holds address {address:#x}")


def _string(strings: bytes, offset: int) -> str:
    end = strings.find(b"\0", offset)
    if offset >= len(strings) or end < 0:
        raise ValueError("damaged ELF file: a name lies outside the string table")
    return strings[offset:end].decode("utf-8")


def _exactly(read: ReadAt, offset: int, size: int) -> bytes:
    if size > _LIMIT:
        raise ValueError(f"damaged ELF file: a table of {size} bytes")
    piece = read(offset, size)
    if len(piece) != size:
        raise ValueError("damaged ELF file: a table lies outside the file")
    return piece
