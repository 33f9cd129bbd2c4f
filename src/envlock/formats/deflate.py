"""Deflate and gzip written by hand (RFC 1951, RFC 1952), so that a layer's bytes depend on no compression library."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from functools import cache

MEMBER_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""Opens every gzip member: deflate, no name, no time, unknown system (RFC 1952, 2.3)."""

STORED_BLOCK = 65_535
"""Longest stored block, whose length field has 16 bits (RFC 1951, 3.2.4)."""


def member_trailer(crc: int, size: int) -> bytes:
    """Close a gzip member: CRC-32 and size modulo 2^32 of what it inflates to."""
    return struct.pack("<II", crc, size & 0xFFFFFFFF)


def _reversed(code: int, length: int) -> int:
    """Turn a Huffman code round: it is packed from its most significant bit, everything else from the least."""
    return int(f"{code:0{length}b}"[::-1], 2)


# RFC 1951, 3.2.6: bytes below 144 have codes of eight bits from 0x30, so that text is translated byte for byte;
# the others have nine bits from 0x190.
_EIGHT_BITS = bytes(_reversed(0x30 + byte, 8) if byte < 144 else 0 for byte in range(256))
_NINE_BITS = {byte: _reversed(0x190 + byte - 144, 9) for byte in range(144, 256)}

# RFC 1951, 3.2.5: symbol 257 + i stands for lengths from base[i] on, told apart by extra[i] bits.
# fmt: off
_LENGTH_BASE = (3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163,
                195, 227, 258)
# fmt: on
_LENGTH_EXTRA = (0,) * 8 + (1,) * 4 + (2,) * 4 + (3,) * 4 + (4,) * 4 + (5,) * 4 + (0,)
_LONGEST, _SHORTEST = 258, 3

_TOKENS = re.compile(rb"\x00{4,}|[\x90-\xff]")


@cache
def _repeat(length: int) -> tuple[int, int]:
    """Return (bits, number of bits) that repeat the last byte `length` times, 3 to 258."""
    index = 28 if length == _LONGEST else max(i for i in range(28) if _LENGTH_BASE[i] <= length)
    symbol = 257 + index
    code, count = (_reversed(symbol - 256, 7), 7) if symbol < 280 else (_reversed(0xC0 + symbol - 280, 8), 8)
    distance_one = 5  # five zero bits
    return code | (length - _LENGTH_BASE[index]) << count, count + _LENGTH_EXTRA[index] + distance_one


@cache
def _zeros(length: int) -> tuple[int, int]:
    """Return (bits, number of bits) of a run of `length` NUL bytes: one literal, then repeats of it."""
    bits, count = _EIGHT_BITS[0], 8
    length -= 1
    while length >= _SHORTEST:
        repeat, width = _repeat(min(length, _LONGEST))
        bits |= repeat << count
        count += width
        length -= min(length, _LONGEST)
    for _ in range(length):
        bits |= _EIGHT_BITS[0] << count
        count += 8
    return bits, count


def deflate_runs(plain: bytes) -> bytes:
    """Encode tar metadata as one final block of the fixed Huffman code: literals, and runs of four and more NULs.

    The work grows with the square of the length: for some KiB at a time.
    """
    bits, count = 0b011, 3  # final block, fixed codes
    start = 0
    for token in _TOKENS.finditer(plain):
        text = plain[start : token.start()]
        bits |= int.from_bytes(text.translate(_EIGHT_BITS), "little") << count
        count += 8 * len(text)
        start = token.end()
        first = plain[token.start()]
        code, width = (_NINE_BITS[first], 9) if first else _zeros(start - token.start())
        bits |= code << count
        count += width
    text = plain[start:]
    bits |= int.from_bytes(text.translate(_EIGHT_BITS), "little") << count
    count += 8 * len(text) + 7  # the end of the block is seven zero bits
    return bits.to_bytes((count + 7) // 8, "little")


def stored_blocks(plain: Iterable[bytes]) -> Iterator[bytes]:
    """Encode bytes as stored blocks, each of 65,535 bytes but the last, however the chunks are cut."""
    for block, last in _with_last(rechunk(plain, STORED_BLOCK)):
        yield struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF) + block


def rechunk(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Cut a stream again into chunks of exactly `size` bytes and a shorter last one, if any bytes are left."""
    waiting = bytearray()
    for chunk in chunks:
        waiting += chunk
        while len(waiting) >= size:
            yield bytes(waiting[:size])
            del waiting[:size]
    if waiting:
        yield bytes(waiting)


def _with_last(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Say of each chunk whether it is the last; a stream of none is one empty last chunk."""
    iterator = iter(chunks)
    current = next(iterator, b"")
    for following in iterator:
        yield current, False
        current = following
    yield current, True
