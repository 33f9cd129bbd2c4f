"""What kind of program a file is by its first bytes: ELF, Mach-O, PE or a script, and for which processor."""

from __future__ import annotations

import struct
from typing import Literal

import msgspec

Kind = Literal["elf", "mach-o", "pe", "script", "other"]
HEAD = 4096
"""How many bytes at the beginning `recognise` looks at."""
SYSTEMS: dict[Kind, str] = {"elf": "linux", "mach-o": "darwin", "pe": "win32"}
"""sys.platform of the systems that envlock knows, by the format of their programs."""
_ELF = {62: "x86_64", 183: "aarch64", 3: "i386", 40: "arm", 243: "riscv64", 21: "ppc64le", 22: "s390x"}
_MACH = {0x01000007: "x86_64", 0x0100000C: "arm64"}
_PE = {0x8664: "AMD64", 0xAA64: "ARM64", 0x014C: "x86"}
_MACH_MAGIC = {b"\xcf\xfa\xed\xfe": "<", b"\xfe\xed\xfa\xcf": ">", b"\xce\xfa\xed\xfe": "<", b"\xfe\xed\xfa\xce": ">"}
_FAT = (b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf")


class Executable(msgspec.Struct, frozen=True, kw_only=True):
    """The format of a program."""

    kind: Kind
    machine: str = ""
    """As platform.machine() names it there; empty for scripts, universal binaries and what is not known."""

    @property
    def native(self) -> bool:
        """Whether a processor runs it, and no other program."""
        return self.kind in SYSTEMS


def recognise(head: bytes) -> Executable:
    """Return the format of a program from its first bytes (ELF gABI, mach-o/loader.h, PE/COFF)."""
    if head.startswith(b"#!"):
        return Executable(kind="script")
    if head.startswith(b"\x7fELF"):
        order = ">" if head[5:6] == b"\x02" else "<"
        return Executable(kind="elf", machine=_ELF.get(_number(f"{order}H", head, 18), ""))
    if (order := _MACH_MAGIC.get(head[:4], "")) != "":
        return Executable(kind="mach-o", machine=_MACH.get(_number(f"{order}I", head, 4), ""))
    # A Java class begins like a universal binary; its next number is its version, 45 at least.
    if head.startswith(_FAT) and 0 < _number(">I", head, 4) < 32:
        return Executable(kind="mach-o")
    if head.startswith(b"MZ"):
        at = _number("<I", head, 0x3C)
        if at >= 0 and head[at : at + 4] == b"PE\0\0":
            return Executable(kind="pe", machine=_PE.get(_number("<H", head, at + 4), ""))
    return Executable(kind="other")


def _number(layout: str, head: bytes, at: int) -> int:
    try:
        (value,) = struct.unpack_from(layout, head, at)
    except struct.error:
        return -1
    return int(value)
