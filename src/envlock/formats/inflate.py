"""Inflates deflate and gzip streams, and Zstandard's, in bounded chunks: 64 KiB of a hostile one can hold 64 MiB."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, cast

RAW, GZIP = -15, 31
"""Window sizes as zlib counts them: a bare deflate stream, a gzip member."""

LIMIT = 1 << 20
"""Bytes of an inflated chunk, at most."""


class Inflater(Protocol):
    """The part of zlib's decompression object that is used here."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""

    @property
    def unused_data(self) -> bytes:
        """What followed its end."""

    @property
    def unconsumed_tail(self) -> bytes:
        """Input that has to be handed over again."""

    def decompress(self, piece: bytes, max_length: int, /) -> bytes:
        """Return at most `max_length` bytes; the rest waits in `unconsumed_tail` and inside."""


def inflater(window: int) -> Inflater:
    """Return a new decompression object of isal, which is twice as fast as zlib's."""
    from isal import isal_zlib

    stream: Inflater = isal_zlib.decompressobj(window)
    return stream


def feed(stream: Inflater, piece: bytes, limit: int = LIMIT) -> Iterator[bytes]:
    """Yield all that one more piece of the input inflates to; what follows the end is in `stream.unused_data`.

    Raises ValueError for input that is not of its kind.
    """
    from isal import isal_zlib

    not_deflate = cast("type[Exception]", isal_zlib.IsalError)  # its stub calls it an instance
    pending = piece
    while not stream.eof:
        try:
            plain = stream.decompress(pending, limit)
        except not_deflate as error:
            raise ValueError(str(error)) from error
        if plain:
            yield plain
        pending = stream.unconsumed_tail
        # A full chunk may have left output inside although all input is consumed.
        if not pending and len(plain) < limit:
            return
