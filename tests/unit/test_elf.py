"""ELF files: what the linker reads of them, and nothing but ValueError for damage."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envlock.formats.elf import Elf, ReadAt, read_elf


def library(*, machine: int = 62, soname: str = "libsample.so.1") -> bytes:
    """Return a 64-bit shared object that has nothing but its dynamic section."""
    names = ["", soname, "libc.so.6", "libm.so.6", "GLIBC_2.4", "GLIBC_2.14", "$ORIGIN/lib"]
    strings, offsets = b"", {}
    for name in names:
        offsets[name] = len(strings)
        strings += name.encode() + b"\0"
    base = 0x10000
    header, segments = 64, 2 * 56
    string_at = header + segments
    verneed_at = string_at + len(strings)
    verneed = struct.pack("<HHIII", 1, 2, offsets["libc.so.6"], 16, 0)
    verneed += struct.pack("<IHHII", 0, 0, 2, offsets["GLIBC_2.4"], 16)
    verneed += struct.pack("<IHHII", 0, 0, 3, offsets["GLIBC_2.14"], 0)
    dynamic_at = verneed_at + len(verneed)
    tags = [
        (1, offsets["libc.so.6"]),
        (1, offsets["libm.so.6"]),
        (14, offsets[soname]),
        (29, offsets["$ORIGIN/lib"]),
        (5, base + string_at),
        (10, len(strings)),
        (0x6FFFFFFE, base + verneed_at),
        (0x6FFFFFFF, 1),
        (0, 0),
    ]
    dynamic = b"".join(struct.pack("<qQ", *tag) for tag in tags)
    end = dynamic_at + len(dynamic)
    elf = b"\x7fELF\x02\x01\x01" + bytes(9)
    elf += struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, header, 0, 0, 64, 56, 2, 0, 0, 0)
    elf += struct.pack("<II6Q", 1, 5, 0, base, base, end, end, 4096)
    elf += struct.pack("<II6Q", 2, 6, dynamic_at, base + dynamic_at, 0, len(dynamic), len(dynamic), 8)
    return elf + strings + verneed + dynamic


def reader(raw: bytes) -> ReadAt:
    return lambda offset, size: raw[offset : offset + size]


def test_the_dynamic_section_is_read() -> None:
    """Name, needs, search path and symbol versions."""
    elf = read_elf(reader(library()))
    assert elf == Elf(
        machine="x86_64",
        bits=64,
        type=3,
        soname="libsample.so.1",
        needed=("libc.so.6", "libm.so.6"),
        runpath="$ORIGIN/lib",
        versions=(("libc.so.6", "GLIBC_2.14"), ("libc.so.6", "GLIBC_2.4")),
    )
    assert elf.glibc == (2, 14)


def test_other_machines_are_named() -> None:
    """By the kernel's name where there is one, else by number."""
    arm, odd = read_elf(reader(library(machine=183))), read_elf(reader(library(machine=9999)))
    assert arm and arm.machine == "aarch64"
    assert odd and odd.machine == "9999"


@pytest.mark.parametrize("raw", [b"", b"#!/bin/sh\n", b"\x7fEL", b"/* GNU ld script */\n"])
def test_what_is_no_elf_file_is_none(raw: bytes) -> None:
    """Linker scripts are called libc.so too."""
    assert read_elf(reader(raw)) is None


@pytest.mark.parametrize("size", range(4, len(library()) - 1, 7))
def test_a_file_that_is_cut_short_is_damaged(size: int) -> None:
    """Every table is asked for whole."""
    with pytest.raises(ValueError, match="damaged ELF"):
        read_elf(reader(library()[:size]))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(4, len(library()) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_changed_bytes_never_do_more_than_raise(changes: list[tuple[int, int]]) -> None:
    """No offset is followed out of the file, no loop without an end."""
    raw = bytearray(library())
    for place, value in changes:
        raw[place] = value
    try:
        read_elf(reader(bytes(raw)))
    except ValueError as error:
        assert "damaged ELF" in str(error)
