"""Decompresses frames of Zstandard (RFC 8878) in bounded chunks."""

from __future__ import annotations

import sys
from typing import Protocol

from envlock.formats.inflate import Inflater

_WINDOW = 27
"""Logarithm of the bytes that are kept at most, as the zstd command has it: zstd -19 and the compressors of Docker and
Podman need 8 MiB, --ultra -22 128 MiB."""
_MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = b"\x2a\x4d\x18"
"""After a byte from 0x50 to 0x5f: a frame that holds nothing of the content, which zstd:chunked and pzstd write."""


class _Frame(Protocol):
    """The part of the library's decompression object that is used here."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def is_zstd(first: bytes) -> bool:
    """Tell by its first four bytes whether a stream begins with a frame."""
    return first.startswith(_MAGIC) or (first[1:4] == _SKIPPABLE and 0x50 <= first[0] <= 0x5F)


def unzstd() -> Inflater:
    """Return a decompression object for one frame, for `formats.inflate.feed`; its errors are ValueError."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd

    window = zstd.DecompressionParameter.window_log_max
    return _Unzstd(zstd.ZstdDecompressor(options={window: _WINDOW}), zstd.ZstdError)


class _Unzstd:
    """Gives the library's object the shape that zlib's have."""

    unconsumed_tail = b""
    """What is not consumed waits inside."""

    def __init__(self, frame: _Frame, failure: type[Exception]) -> None:
        self._frame = frame
        self._failure = failure

    @property
    def eof(self) -> bool:
        return self._frame.eof

    @property
    def unused_data(self) -> bytes:
        return self._frame.unused_data

    def decompress(self, piece: bytes, max_length: int, /) -> bytes:
        try:
            return self._frame.decompress(piece, max_length)
        except self._failure as error:
            raise ValueError(str(error)) from error
