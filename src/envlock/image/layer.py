"""Streams one layer: a tar archive as many gzip members, most of them taken from wheels as they stand.

Layer spec v1, the blob: tar headers and padding gather, up to a body or to 32 KiB, and become one member of our
fixed-Huffman encoder. Then each body is

* `spliced`: a wheel's raw deflate stream, one member as it stands; a stored entry becomes one member of stored blocks;
* `stored`: a generated file, one member of stored blocks;
* `compressed`: anything else, one member of libdeflate's level 6 for each MiB.

An empty file has no member of its own. The archive ends with two zero blocks and nothing after them.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

import msgspec

from envlock.errors import IntegrityError, UsageError
from envlock.formats import tar
from envlock.formats.deflate import MEMBER_HEADER, deflate_runs, member_trailer, rechunk, stored_blocks
from envlock.formats.inflate import RAW, feed, inflater
from envlock.formats.oci import LAYER
from envlock.formats.tar import Entry, Member
from envlock.model.edges import Task

_METADATA = 32 << 10
_COMPRESSED_CHUNK = 1 << 20
_COMPRESSION_LEVEL = 6
_BATCH = 4 << 20
"""Bytes handed to the hashing thread at a time: smaller ones cost more in hand-overs than they hash."""
_BATCHES_AHEAD = 2


class Layer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A finished blob. Both digests are written ``sha256:<hex>``."""

    digest: str
    """Of the blob (OCI descriptor)."""
    diff_id: str
    """Of the tar archive in it (OCI image configuration, rootfs)."""
    size: int
    """Of the blob, in bytes."""
    media_type: str = LAYER
    """Another one only of a base from a registry, whose layers are carried on as they are."""


class LayerWriter:
    """Writes one layer beside `path` and renames it when `finish` is called; leaving the context without drops it.

    The calling thread inflates and encodes, one thread more hashes and writes. `progress` counts the bytes of the
    blob; what it raises ends the work.
    """

    def __init__(self, path: Path, *, progress: Task | None = None) -> None:
        self._path = path
        self._progress = progress
        self._metadata = bytearray()
        self._plain: list[bytes] = []
        self._blob: list[bytes] = []
        self._waiting = 0
        self._sink: _Sink | None = None

    def __enter__(self) -> Self:
        self._sink = _Sink(self._path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sink is not None:
            self._sink.discard()

    def add(self, entry: Entry) -> None:
        """Add an entry without a body: a directory, a link, an empty file."""
        self._metadata += tar.header(entry)
        if len(self._metadata) >= _METADATA:
            self._end_metadata()

    def stored(self, entry: Entry, body: Iterable[bytes]) -> None:
        """Add a generated file."""
        if entry.size == 0:
            self.add(entry)
            return
        self._open_body(entry)
        self._member_of_stored_blocks(entry, body, origin=entry.path)
        self._metadata += tar.padding(entry.size)

    def compressed(self, entry: Entry, body: Iterable[bytes]) -> None:
        """Add a file that has to be compressed here, however its chunks are cut."""
        import deflate
        from isal import isal_zlib

        if entry.size == 0:
            self.add(entry)
            return
        self._open_body(entry)
        size = 0
        for chunk in rechunk(body, _COMPRESSED_CHUNK):
            size += len(chunk)
            blob = bytes(deflate.deflate_compress(chunk, _COMPRESSION_LEVEL))
            trailer = member_trailer(isal_zlib.crc32(chunk), len(chunk))
            self._emit(chunk, MEMBER_HEADER, blob, trailer)
        if size != entry.size:
            raise ValueError(f"{entry.path}: a body of {size} bytes where {entry.size} were announced")
        self._metadata += tar.padding(entry.size)

    def spliced(self, entry: Entry, raw: Iterable[bytes], *, method: int, crc: int, origin: str) -> None:
        """Add a file of a wheel by its stream (method 0 or 8) without compressing it again.

        `origin` names the wheel in errors. Raises IntegrityError (`bad-stream`) for a stream that does not end exactly
        where it should, or does not have the size and CRC-32 of its headers.
        """
        if method not in (0, 8):
            _refuse(entry, origin, f"is compressed by method {method}")
        if entry.size == 0:
            if b"".join(_inflated(entry, raw, origin) if method else raw) or crc:
                _refuse(entry, origin, "is not empty, as its header says")
            self.add(entry)
            return
        self._open_body(entry)
        if method == 0:
            found = self._member_of_stored_blocks(entry, raw, origin=origin)
        else:
            found = self._member_as_it_stands(entry, raw, origin=origin)
        if found != crc:
            _refuse(entry, origin, "does not have the CRC-32 of its header")
        self._metadata += tar.padding(entry.size)

    def member(self, entry: Entry, body: Iterable[bytes] | None) -> None:
        """Add an entry, `compressed` where it has a body."""
        if body is None:
            self.add(entry)
        else:
            self.compressed(entry, body)

    def finish(self) -> Layer:
        """Close the archive, rename the file to its place and return its digests."""
        self._metadata += tar.END
        self._end_metadata()
        self._hand_over()
        return self._opened.keep()

    @property
    def _opened(self) -> _Sink:
        if self._sink is None:
            raise ValueError("a LayerWriter is used as a context")
        return self._sink

    def _open_body(self, entry: Entry) -> None:
        self._metadata += tar.header(entry)
        self._end_metadata()

    def _end_metadata(self) -> None:
        from isal import isal_zlib

        if self._metadata:
            plain = bytes(self._metadata)
            self._metadata.clear()
            trailer = member_trailer(isal_zlib.crc32(plain), len(plain))
            self._emit(plain, MEMBER_HEADER, deflate_runs(plain), trailer)

    def _member_of_stored_blocks(self, entry: Entry, body: Iterable[bytes], *, origin: str) -> int:
        from isal import isal_zlib

        size = crc = 0

        def seen() -> Iterator[bytes]:
            nonlocal size, crc
            for plain in body:
                size += len(plain)
                if size > entry.size:
                    _refuse(entry, origin, f"goes on after its {entry.size} bytes")
                crc = isal_zlib.crc32(plain, crc)
                self._emit(plain)
                yield plain

        self._emit(b"", MEMBER_HEADER)
        for block in stored_blocks(seen()):
            self._emit(b"", block)
        if size != entry.size:
            _refuse(entry, origin, f"ends after {size} of its {entry.size} bytes")
        self._emit(b"", member_trailer(crc, size))
        return crc

    def _member_as_it_stands(self, entry: Entry, raw: Iterable[bytes], *, origin: str) -> int:
        from isal import isal_zlib

        def seen() -> Iterator[bytes]:
            for piece in raw:
                self._emit(b"", piece)
                yield piece

        size = crc = 0
        self._emit(b"", MEMBER_HEADER)
        for plain in _inflated(entry, seen(), origin):
            size += len(plain)
            crc = isal_zlib.crc32(plain, crc)
            self._emit(plain)
        if size != entry.size:
            _refuse(entry, origin, f"ends after {size} of its {entry.size} bytes")
        self._emit(b"", member_trailer(crc, size))
        return crc

    def _emit(self, plain: bytes, *blob: bytes) -> None:
        if plain:
            self._plain.append(plain)
        self._blob += blob
        self._waiting += len(plain) + sum(map(len, blob))
        if self._waiting >= _BATCH:
            self._hand_over()

    def _hand_over(self) -> None:
        plain, blob = self._plain, self._blob
        self._plain, self._blob, self._waiting = [], [], 0
        self._opened.put(plain, blob)
        if self._progress is not None:
            self._progress.advance(sum(map(len, blob)))


class _Sink:
    """The other thread: hashes the archive, hashes and writes the blob."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._diff_id, self._digest, self._size = hashlib.sha256(), hashlib.sha256(), 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        except OSError as error:
            raise _unwritable(path, error) from error
        self._beside = Path(beside)
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="layer")
        self._batches: deque[Future[None]] = deque()

    def put(self, plain: list[bytes], blob: list[bytes]) -> None:
        """Queue a batch; wait, and raise what went wrong, while too many are under way."""
        self._wait(_BATCHES_AHEAD - 1)
        self._batches.append(self._thread.submit(self._consume, plain, blob))

    def _consume(self, plain: list[bytes], blob: list[bytes]) -> None:
        # Joined, because each update of a hash gives the interpreter up and has to win it back.
        self._diff_id.update(b"".join(plain))
        joined = b"".join(blob)
        self._digest.update(joined)
        self._size += len(joined)
        self._write(joined)

    def _write(self, blob: bytes) -> None:
        view = memoryview(blob)
        while view:
            view = view[self._file.write(view) :]

    def _wait(self, left: int) -> None:
        try:
            while len(self._batches) > left:
                self._batches.popleft().result()
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def keep(self) -> Layer:
        """Rename the finished file to its place."""
        self._wait(0)
        try:
            self._file.close()
            self._beside.chmod(0o644)
            self._beside.replace(self._path)
        except OSError as error:
            raise _unwritable(self._path, error) from error
        return Layer(
            digest=f"sha256:{self._digest.hexdigest()}", diff_id=f"sha256:{self._diff_id.hexdigest()}", size=self._size
        )

    def discard(self) -> None:
        """End the thread and remove what is there; nothing is left to remove after `keep`."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._file.close()
        self._beside.unlink(missing_ok=True)


def write_layer(path: Path, members: Iterable[Member], *, progress: Task | None = None) -> Layer:
    """Write a layer of entries whose bodies are all compressed here."""
    with LayerWriter(path, progress=progress) as layer:
        for entry, body in members:
            layer.member(entry, None if body is None else body())
        return layer.finish()


def _inflated(entry: Entry, raw: Iterable[bytes], origin: str) -> Iterator[bytes]:
    """Yield the plain bytes of a raw deflate stream, stopping as soon as there are more than the entry has."""
    stream = inflater(RAW)
    size = 0
    for piece in raw:
        if stream.eof:
            _refuse(entry, origin, "goes on after its final block")
        try:
            for plain in feed(stream, piece):
                size += len(plain)
                if size > entry.size:
                    _refuse(entry, origin, f"inflates to more than its {entry.size} bytes")
                yield plain
        except ValueError as error:
            _refuse(entry, origin, f"is not deflate ({error})")
        if stream.unused_data:
            _refuse(entry, origin, "goes on after its final block")
    if not stream.eof:
        _refuse(entry, origin, "has no final block")


def _refuse(entry: Entry, origin: str, why: str) -> NoReturn:
    raise IntegrityError(
        "bad-stream",
        f"The stream of {entry.path} {why}.",
        where=origin,
        hint="Take another version of the package, or report the file to whoever published it.",
    )


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(
        "write-failed",
        f"{path} cannot be written.",
        found=error.strerror or str(error),
        hint="Make room there, or choose another folder.",
    )
