"""Blobs on their way: what is taken, what is refused, and that nothing unfinished is left."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from envlock.errors import IntegrityError
from envlock.formats.blob import LIMIT, checked, small, write_blob

DIGEST = f"sha256:{hashlib.sha256(b'abcdef').hexdigest()}"


@pytest.mark.parametrize(
    ("size", "digest", "found"),
    [
        (7, None, "6 bytes"),
        (5, None, "more than 5 bytes"),
        (6, f"sha256:{'0' * 64}", f"{DIGEST}, 6 bytes"),
        (7, DIGEST, f"{DIGEST}, 6 bytes"),
    ],
)
def test_another_size_or_digest_is_an_integrity_error(
    size: int, digest: str | None, found: str, tmp_path: Path
) -> None:
    """Both are named, and no file appears."""
    with pytest.raises(IntegrityError, match="digest-mismatch") as caught:
        write_blob(tmp_path / "blob", checked([b"abc", b"def"], size, where="here", digest=digest))
    assert (caught.value.where, caught.value.found) == ("here", found)
    assert list(tmp_path.iterdir()) == []


def test_what_is_right_is_written_whole(tmp_path: Path) -> None:
    """Chunk by chunk."""
    write_blob(tmp_path / "blob", checked([b"abc", b"def"], 6, where="here", digest=DIGEST))
    assert (tmp_path / "blob").read_bytes() == b"abcdef"


def test_nothing_is_asked_for_beyond_the_size() -> None:
    """Whoever sends without an end is not listened to."""

    def endless() -> Iterator[bytes]:
        while True:
            yield b"x"

    with pytest.raises(IntegrityError, match="more than 3 bytes"):
        small(endless(), 3, where="here", digest=DIGEST)


def test_a_document_that_says_to_be_large_is_not_read() -> None:
    """No byte of it is asked for."""
    with pytest.raises(IntegrityError, match="bad-image"):
        small(iter(lambda: pytest.fail("it was read"), b""), LIMIT + 1, where="here", digest=DIGEST)
