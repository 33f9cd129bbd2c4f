"""Reads a layer blob as a stream, without trusting it: a tar archive, plain, or compressed with gzip or Zstandard.

It is for images of ours and for anybody's: ustar, PAX and GNU headers are read, and any number of gzip members or
Zstandard frames. Nothing is unpacked, memory is bounded whatever the archive claims, and both digests can be checked on
the way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import NoReturn

from envlock.errors import IntegrityError, UnverifiableError
from envlock.formats.inflate import GZIP, Inflater, feed, inflater
from envlock.formats.tar import BLOCK, Entry, Kind
from envlock.formats.zstd import is_zstd, unzstd

_MAX_EXTENDED = 1 << 20
"""Longest PAX or GNU extension that is read; real ones hold a path."""
_LONGEST_PATH = 4096
"""Characters of a path or a link's target: no Linux can unpack a longer one (PATH_MAX)."""
_KINDS: dict[bytes, Kind] = {b"0": "file", b"\0": "file", b"7": "file", b"1": "hardlink", b"2": "symlink", b"5": "dir"}
_OTHERS = b"346"
_GZIP = b"\x1f\x8b"
_MAGIC = 4
"""Bytes that tell how a layer is compressed, whatever its media type says."""


@dataclass
class Digests:
    """Of a layer that was read to its end, both written ``sha256:<hex>``; empty before."""

    blob: str = ""
    plain: str = ""
    """Of the archive, which is the diff ID."""


def read_layer(
    blob: Iterable[bytes],
    *,
    where: str,
    digest: str | None = None,
    diff_id: str | None = None,
    found: Digests | None = None,
) -> Iterator[tuple[Entry, Iterator[bytes]]]:
    """Yield each entry with the chunks of its body (none but for files).

    A body may be left unread, wholly or in part, but is gone once the next entry is asked for. `blob` are the bytes of
    the layer in any chunks; `where` names it in errors. `digest` (of the blob) and `diff_id` (of the archive), both
    ``sha256:<hex>``, are checked when the iterator is exhausted: believe nothing before that. `found` is told both
    then.

    Raises IntegrityError (`bad-layer`, `digest-mismatch`) and UnverifiableError (`sparse-file`).
    """
    blob_hash = hashlib.sha256() if digest is not None or found is not None else None
    plain_hash = hashlib.sha256() if diff_id is not None or found is not None else None
    plain = _hashed(_decompressed(_hashed(blob, blob_hash), where), plain_hash)
    archive = _Archive(plain, where)
    yield from archive.entries()
    for _ in plain:  # what follows the archive's end counts for the digests
        pass
    names = [f"sha256:{made.hexdigest()}" if made is not None else "" for made in (blob_hash, plain_hash)]
    if found is not None:
        found.blob, found.plain = names
    for name, expected in zip(names, (digest, diff_id), strict=True):
        if expected is not None and name != expected:
            raise IntegrityError(
                "digest-mismatch",
                "A layer does not have the digest that names it.",
                where=where,
                expected=expected,
                found=name,
            )


class _Archive:
    """The tar stream: fixed blocks, read in order."""

    def __init__(self, plain: Iterator[bytes], where: str) -> None:
        self._plain = plain
        self._where = where
        self._waiting = memoryview(b"")

    def entries(self) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        # Where headers contradict each other, what Engines take counts (Go's archive/tar): of several of PAX the last,
        # GNU's names before those of PAX, and PAX records without a value not at all.
        pax: dict[str, str] = {}
        gnu: dict[str, str] = {}
        while (block := self._block()) is not None:
            kind = block[156:157]
            if kind in (b"x", b"g", b"L", b"K"):
                size = self._number(block[124:136])
                if size > _MAX_EXTENDED:
                    self._refuse(f"has an extended header of {size} bytes")
                body = self._exactly(size)
                self._exactly(-size % BLOCK)
                if kind == b"x":
                    pax = self._records(body)
                elif kind != b"g" and (name := _text(body.split(b"\0", 1)[0])):
                    gnu["path" if kind == b"L" else "linkpath"] = name
                continue
            entry = self._entry(block, pax | gnu)
            pax, gnu = {}, {}
            rest = [entry.size]
            yield entry, self._body(rest)
            for _ in self._body(rest):
                pass
            self._exactly(-entry.size % BLOCK)

    def _entry(self, block: bytes, extended: dict[str, str]) -> Entry:
        if block[156:157] == b"S" or any(key.startswith("GNU.sparse.") for key in extended):
            raise UnverifiableError(
                "sparse-file", "A layer holds a sparse file, which cannot be read.", where=self._where
            )
        kind = _KINDS.get(block[156:157])
        if kind is None:
            if block[156:157] not in _OTHERS:
                self._refuse(f"has an entry of the unknown type {block[156:157]!r}")
            kind = "other"
        name = _text(block[:100].split(b"\0", 1)[0])
        prefix = _text(block[345:500].split(b"\0", 1)[0]) if block[257:263] == b"ustar\0" else ""
        path = extended.get("path", f"{prefix}/{name}" if prefix else name)
        if block[156:157] == b"\0" and path.endswith("/"):  # before ustar; of type 0 it is a file, with its bytes
            kind = "dir"

        link = extended.get("linkpath", _text(block[157:257].split(b"\0", 1)[0])) if "link" in kind else ""
        if (longest := max(len(path), len(link))) > _LONGEST_PATH:
            self._refuse(f"has a path of {longest} characters")

        def number(name: str, field: bytes) -> int:
            return self._decimal(extended[name]) if name in extended else self._number(field)

        return Entry(
            path=self._plain_path(path),
            kind=kind,
            mode=self._number(block[100:108]) & 0o7777,
            uid=number("uid", block[108:116]),
            gid=number("gid", block[116:124]),
            size=number("size", block[124:136]) if kind == "file" else 0,
            link=link,
        )

    def _plain_path(self, path: str) -> str:
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if ".." in parts or "\0" in path:
            self._refuse(f"has the entry {path!r}, which climbs out of it")
        return "/".join(parts)

    def _records(self, body: bytes) -> dict[str, str]:
        """Parse PAX records: ``length key=value LF``, the length counting itself."""
        records: dict[str, str] = {}
        at = 0
        while at < len(body):
            space = body.find(b" ", at, at + 10)
            digits = body[at:space]
            end = at + int(digits) if space > 0 and digits.isdigit() else 0
            key, equals, value = body[space + 1 : end - 1].partition(b"=")
            if not equals or body[end - 1 : end] != b"\n":
                self._refuse("has a PAX record that cannot be read")
            if value:
                records[_text(key)] = _text(value)
            at = end
        return records

    def _block(self) -> bytes | None:
        """Return the next header, or None at the end of the archive."""
        block = self._up_to(BLOCK)
        if not block.strip(b"\0"):
            return None
        if len(block) != BLOCK:
            self._refuse("ends within an entry")
        if self._number(block[148:156]) != sum(block[:148]) + 8 * 0x20 + sum(block[156:]):
            self._refuse("has a header with a wrong checksum")
        return block

    def _body(self, rest: list[int]) -> Iterator[bytes]:
        """Yield what is left of a body; `rest` holds the number of bytes left, shared by its readers."""
        while rest[0]:
            chunk = self._some(rest[0])
            if not chunk:
                self._refuse("ends within an entry")
            rest[0] -= len(chunk)
            yield bytes(chunk)

    def _some(self, limit: int) -> memoryview:
        """Return at most `limit` bytes, none at the end of the stream."""
        while not self._waiting:
            chunk = next(self._plain, None)
            if chunk is None:
                break
            self._waiting = memoryview(chunk)
        piece, self._waiting = self._waiting[:limit], self._waiting[limit:]
        return piece

    def _up_to(self, size: int) -> bytes:
        """Return `size` bytes, fewer at the end of the stream."""
        pieces = bytearray()
        while len(pieces) < size and (piece := self._some(size - len(pieces))):
            pieces += piece
        return bytes(pieces)

    def _exactly(self, size: int) -> bytes:
        block = self._up_to(size)
        if len(block) != size:
            self._refuse("ends within an entry")
        return block

    def _number(self, field: bytes) -> int:
        """Parse an octal field, or GNU's base 256."""
        if field[:1] == b"\x80":
            return int.from_bytes(field[1:], "big")
        digits = field.split(b"\0", 1)[0].strip(b" ")
        if not digits:
            return 0
        if digits.strip(b"01234567"):
            self._refuse(f"has a header with {field!r} for a number")
        return int(digits, 8)

    def _decimal(self, text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            self._refuse(f"has a PAX record with {text[:40]!r} for a number")
        return int(text)

    def _refuse(self, why: str) -> NoReturn:
        raise _bad(self._where, why)


def _decompressed(blob: Iterator[bytes], where: str) -> Iterator[bytes]:
    first = b""
    for piece in blob:
        first += piece
        if len(first) >= _MAGIC:
            break
    whole = chain((first,), blob)
    if is_zstd(first):
        yield from _inflated(whole, unzstd, "Zstandard", where)
    elif first.startswith(_GZIP):
        yield from _inflated(whole, lambda: inflater(GZIP), "gzip", where)
    else:
        yield from whole


def _inflated(blob: Iterator[bytes], begin: Callable[[], Inflater], name: str, where: str) -> Iterator[bytes]:
    """Yield the plain bytes of gzip members, or Zstandard frames, one after another (RFC 1952, 2.2; RFC 8878, 3).

    NULs may follow the last (GNU tar).
    """
    stream = begin()
    begun = False
    for piece in blob:
        pending = piece
        while pending:
            if not begun and not pending.strip(b"\0"):
                break
            begun = True
            try:
                yield from feed(stream, pending)
            except ValueError as error:
                raise _bad(where, f"is not {name} ({error})") from error
            pending = stream.unused_data
            if stream.eof:
                stream, begun = begin(), False
    if begun:
        raise _bad(where, f"ends within {name}")


def _hashed(chunks: Iterable[bytes], digest: hashlib._Hash | None) -> Iterator[bytes]:
    for chunk in chunks:
        if digest is not None:
            digest.update(chunk)
        yield chunk


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _bad(where: str, why: str) -> IntegrityError:
    return IntegrityError("bad-layer", f"A layer {why}.", where=where)
