"""A blob on its way: never more of it than its name says, and believed when its end was right."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from envlock.errors import IntegrityError
from envlock.formats.beside import beside
from envlock.model.edges import Task

LIMIT = 64 << 20
"""Bytes of a document that is read whole; a bill of materials of a thousand packages has some MB."""


def checked(chunks: Iterable[bytes], size: int, *, where: str, digest: str | None = None) -> Iterator[bytes]:
    """Yield the chunks of a blob of `size` bytes, and nothing once they are more.

    `digest` (``sha256:<hex>``) is that of the whole, where the source of the chunks does not check it itself.
    Raises IntegrityError (`digest-mismatch`) at the end.
    """
    found, total = hashlib.sha256(), 0
    for chunk in chunks:
        total += len(chunk)
        if total > size:
            break
        if digest is not None:
            found.update(chunk)
        yield chunk
    name = f"sha256:{found.hexdigest()}"
    if total != size or digest not in (None, name):
        shown = f"{name}, " if digest is not None else ""
        raise IntegrityError(
            "digest-mismatch",
            "A blob is not what its name says." if total == size else "A blob does not have the size that it should.",
            where=where,
            expected=f"{digest}, {size} bytes" if digest is not None else f"{size} bytes",
            found=f"{shown}{total} bytes" if total <= size else f"more than {size} bytes",
            hint="The copy is damaged, or a proxy in between: try again, or take it from elsewhere.",
        )


def small(chunks: Iterable[bytes], size: int, *, where: str, digest: str) -> bytes:
    """Return a document whole; IntegrityError (`digest-mismatch`, and `bad-image` for one of over 64 MiB)."""
    refuse_large(size, where)
    return b"".join(checked(chunks, size, where=where, digest=digest))


def refuse_large(size: int, where: str) -> None:
    """Raise IntegrityError (`bad-image`) where a document is too large to be read whole."""
    if size > LIMIT:
        raise IntegrityError("bad-image", f"A document of {size} bytes is not read.", where=where)


def write_blob(path: Path, chunks: Iterable[bytes], *, progress: Task | None = None) -> None:
    """Write chunks beside `path`, whose folder is there, and rename once their end was right."""
    beside(path, partial(_fill, chunks, progress))


def _fill(chunks: Iterable[bytes], progress: Task | None, part: Path) -> None:
    with part.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
            if progress is not None:
                progress.advance(len(chunk))
