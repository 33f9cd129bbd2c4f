"""The `contents` digest: what a wheel installs, independent of the installer and of the archive's compression.

It is the sha256 over the sorted lines ``scheme US path US sha256 US size LF`` (US is U+001F) of every file that the
wheel itself brings. purelib, platlib and the archive's root are all `site`. Left out are folders, RECORD and its
signatures, and what an installer writes. A script of ``*.data/scripts`` that starts with ``#!python`` is rewritten by
installers on its first line, so it counts from its second line on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

import msgspec

from envlock.errors import IntegrityError
from envlock.formats.wheel import WheelEntry, WheelFile

_SEPARATOR = "\x1f"
MAGIC = b"#!python"


class Row(msgspec.Struct, frozen=True, order=True, gc=False):
    """One installed file of a wheel."""

    scheme: str
    path: str
    sha256: str
    """Hex."""
    size: int


def contents_digest(rows: Iterable[Row]) -> str:
    """Return the `contents` digest, as 64 hex digits."""
    lines = (f"{r.scheme}{_SEPARATOR}{r.path}{_SEPARATOR}{r.sha256}{_SEPARATOR}{r.size}\n" for r in rows)
    # Names of a wheel are UTF-8; those of an environment may be anything, and then are no wheel's.
    digest = hashlib.sha256()
    for line in sorted(line.encode("utf-8", "surrogateescape") for line in lines):
        digest.update(line)
    return digest.hexdigest()


def script_body(text: bytes) -> bytes:
    """Return what of a ``#!python`` script is not rewritten by installers: all from its second line on."""
    return text.partition(b"\n")[2]


def recorded_rows(wheel: WheelFile) -> Iterator[Row]:
    """Yield the rows that RECORD claims; only ``.data/scripts`` are read, the rest of the wheel need not be there."""
    for entry in wheel.entries:
        if entry.sha256 is not None:
            yield _row(wheel, entry, entry.sha256)


def _row(wheel: WheelFile, entry: WheelEntry, sha256: str) -> Row:
    if entry.scheme == "scripts":
        text = wheel.read(entry)
        if text.startswith(MAGIC):
            body = script_body(text)
            return Row(entry.scheme, entry.path, hashlib.sha256(body).hexdigest(), len(body))
    return Row(entry.scheme, entry.path, sha256, entry.size)


def verify_wheel(
    wheel: WheelFile,
    *,
    contents: str | None = None,
    record: str | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> str:
    """Read the wheel whole, every file against RECORD, and return its `contents`; `advance` counts plain bytes.

    Raises IntegrityError where a file is not what RECORD says, or where the lock's `contents` or `record` differ.
    """
    for entry in wheel.entries:
        for chunk in wheel.chunks(entry):
            advance(len(chunk))
    found = contents_digest(recorded_rows(wheel))
    for name, expected, actual in (("contents", contents, found), ("record", record, wheel.record_sha256)):
        if expected is not None and expected != actual:
            raise IntegrityError(
                f"{name}-mismatch",
                f"{wheel.filename} does not have the {name} digest that the lock gives.",
                where=wheel.filename,
                expected=expected,
                found=actual,
                hint="The lock was edited, or the index lied when it was made: run `envlock lock` again and compare.",
            )
    return found
