"""Bounded inflation."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envlock.formats.inflate import GZIP, RAW, feed, inflater


@given(
    st.binary(max_size=60),
    st.integers(0, 2000),
    st.sampled_from([0, 1, 9]),
    st.integers(1, 300),
    st.integers(1, 50),
    st.sampled_from([RAW, GZIP]),
    st.sampled_from([b"", b"tail"]),
)
def test_every_byte_comes_out_in_bounded_chunks(
    head: bytes, run: int, level: int, limit: int, cut: int, window: int, tail: bytes
) -> None:
    """Output that the library keeps inside when a chunk is full is asked for, and what follows the end is kept."""
    plain = head + b"r" * run
    encoder = zlib.compressobj(level, wbits=window)
    blob = encoder.compress(plain) + encoder.flush() + tail
    stream = inflater(window)
    found, after = b"", b""
    for at in range(0, len(blob), cut):
        piece = blob[at : at + cut]
        if stream.eof:
            after += piece
            continue
        for chunk in feed(stream, piece, limit):
            assert 0 < len(chunk) <= limit
            found += chunk
        after += stream.unused_data
    assert (found, stream.eof, after) == (plain, True, tail)


def test_what_is_not_deflate_is_a_value_error() -> None:
    """The library's own exception does not travel."""
    with pytest.raises(ValueError, match="Invalid"):
        list(feed(inflater(RAW), b"\xff" * 20))
