"""The encoder of tar metadata and the stored blocks, against zlib."""

from __future__ import annotations

import gzip
import zlib

from hypothesis import example, given
from hypothesis import strategies as st

from envlock.formats.deflate import (
    MEMBER_HEADER,
    STORED_BLOCK,
    deflate_runs,
    member_trailer,
    rechunk,
    stored_blocks,
)

# Metadata is text with runs of NULs of every length; random bytes reach the nine-bit codes.
metadata = st.lists(
    st.one_of(st.binary(max_size=40), st.integers(0, 1300).map(bytes), st.text(max_size=40).map(str.encode))
).map(b"".join)


@given(metadata)
@example(b"")
@example(bytes(range(256)))
@example(bytes(258 + 1 + 258 + 2))
def test_zlib_reads_back_exactly_what_was_encoded(plain: bytes) -> None:
    """The block is final and ends where the bytes end."""
    stream = zlib.decompressobj(-15)
    assert stream.decompress(deflate_runs(plain)) == plain
    assert stream.eof
    assert not stream.unused_data


def test_every_length_of_a_run_is_encoded() -> None:
    """Each of the 256 lengths that deflate knows, and the joints between several repeats."""
    for length in range(1, 800):
        plain = b"a" + bytes(length) + b"b"
        assert zlib.decompress(deflate_runs(plain), -15) == plain


def test_runs_of_nul_are_small() -> None:
    """A block of 512 NULs takes a few bytes."""
    assert len(deflate_runs(bytes(512))) == 7


def test_the_encoding_is_golden() -> None:
    """The bytes are part of layer spec v1: they change with its version only."""
    plain = b"opt/venv/\xc3\xa9" + bytes(300) + b"0000644\x00\x00\x00"
    assert deflate_runs(plain).hex() == "cb2f28d12f4bcd2bd33fbc926114100d0c0c0c0ccc4c4c18181800"


@given(st.binary(max_size=300), st.integers(1, 70))
def test_rechunk_keeps_bytes_and_cuts_exactly(plain: bytes, size: int) -> None:
    """However a stream is cut, the chunks are the same."""
    pieces = [plain[at : at + 7] for at in range(0, len(plain), 7)]
    chunks = list(rechunk(pieces, size))
    assert b"".join(chunks) == plain
    assert all(len(chunk) == size for chunk in chunks[:-1])
    assert not chunks or 0 < len(chunks[-1]) <= size


def test_stored_blocks_inflate_to_what_went_in_and_ignore_how_it_was_cut() -> None:
    """Sizes around the longest block, an empty stream included."""
    for size in (0, 1, STORED_BLOCK - 1, STORED_BLOCK, STORED_BLOCK + 1, 3 * STORED_BLOCK):
        plain = b"x" * size
        blocks = b"".join(stored_blocks([plain[:10], plain[10:]]))
        assert blocks == b"".join(stored_blocks([plain]))
        assert zlib.decompress(blocks, -15) == plain


def test_a_member_is_gzip() -> None:
    """Header, block and trailer make a member that gzip accepts, several in a row too."""
    member = MEMBER_HEADER + deflate_runs(b"hello") + member_trailer(zlib.crc32(b"hello"), 5)
    assert gzip.decompress(member + member) == b"hellohello"
