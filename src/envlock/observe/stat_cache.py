"""Remembers the digests of files by what the file system says of them, like git's index.

A digest is used again only where device, inode, size, mtime and ctime are what they were when the file was read.
Nobody but the kernel sets a ctime, so that an edit which keeps size and mtime shows in it. A file that was written
at about the time when it was read is not remembered at all: a second edit may have left the same times ("racy git").

Files are known by a digest of their path, so that what is kept names nothing.
"""

from __future__ import annotations

import hashlib
import os
import struct

from msgspec.structs import replace

from envlock.model.observation import Bytecode, File

_MAGIC = b"envlock stat cache 1\n"
_PATH = struct.Struct("<16s")
_PLACE = struct.Struct("<QQqqq")
_ROW = struct.Struct(f"<{_PATH.size}s{_PLACE.size}s32s16s")
"""Digest of the path; device, inode, size, mtime, ctime; sha256; the head of a .pyc, else zeros."""
_VERDICT = struct.Struct("<32sB")
_COUNTS = struct.Struct("<QQ")
_VERDICTS: tuple[Bytecode, ...] = ("same", "ignored")
"""`differs` is asked for again each time, so that no memory can accuse anybody."""
_FINE_NS = 50_000_000
"""A kernel stamps files with the time of its last tick, of which there are at least 100 a second."""
_COARSE_NS = 3_000_000_000
"""Some file systems count in seconds, FAT in two; their times are whole seconds."""
_SECOND_NS = 1_000_000_000
_TELLS_CHANGES = os.name == "posix"
"""On Windows, st_ctime is when a file was made, and no change shows in it: nothing is remembered there."""


class StatCache:
    """The digests of one environment's files, and which of its .pyc files were found to be their sources'."""

    def __init__(self) -> None:
        self._files: dict[bytes, bytes] = {}
        self._verdicts: dict[bytes, Bytecode] = {}
        self._used_files: dict[bytes, bytes] = {}
        self._used_verdicts: dict[bytes, Bytecode] = {}
        self._learnt = 0

    @classmethod
    def parse(cls, raw: bytes | None) -> StatCache:
        """Return what `dump` wrote; an empty cache for anything else, since it costs nothing but time."""
        cache = cls()
        start = len(_MAGIC) + 32
        if raw is None or len(raw) < start + _COUNTS.size or not raw.startswith(_MAGIC):
            return cache
        body = memoryview(raw)[start:]
        if hashlib.sha256(body).digest() != raw[len(_MAGIC) : start]:
            return cache
        files, verdicts = _COUNTS.unpack_from(body)
        middle = _COUNTS.size + files * _ROW.size
        if middle + verdicts * _VERDICT.size != len(body):
            return cache
        rows = range(start + _COUNTS.size, start + middle, _ROW.size)
        cache._files = {raw[at : at + _PATH.size]: raw[at + _PATH.size : at + _ROW.size] for at in rows}
        for key, verdict in _VERDICT.iter_unpack(body[middle:]):
            if verdict < len(_VERDICTS):
                cache._verdicts[key] = _VERDICTS[verdict]
        return cache

    @property
    def changed(self) -> bool:
        """Whether there is anything that was not kept before."""
        return bool(self._learnt)

    def dump(self) -> bytes:
        """Return what `pieces` does, put together."""
        return b"".join(self.pieces())

    def pieces(self) -> list[bytes]:
        """Return what was used or learnt, for `parse`; what is gone from the environment goes from its cache too."""
        parts = [_COUNTS.pack(len(self._used_files), len(self._used_verdicts))]
        for key in sorted(self._used_files):
            parts += (key, self._used_files[key])
        parts += (_VERDICT.pack(key, _VERDICTS.index(verdict)) for key, verdict in sorted(self._used_verdicts.items()))
        digest = hashlib.sha256()
        for part in parts:  # there may be 100,000 files: nothing is put together twice
            digest.update(part)
        return [_MAGIC, digest.digest(), *parts]

    def recall(self, path: str, file: File) -> File | None:
        """Return the file with the digest that it had when it last was in this place, or None."""
        key = _key(path)
        row = self._files.get(key)
        place = _place(file)
        if row is None or place is None or row[: _PLACE.size] != place:
            return None
        self._used_files[key] = row
        head = row[-16:] if path.endswith(".pyc") and file.size >= 16 else None
        return replace(file, sha256=row[_PLACE.size : _PLACE.size + 32].hex(), content=head)

    def learn(self, path: str, file: File, began_ns: int) -> None:
        """Keep the digest of a file, unless it was written so late that it may be written again unseen.

        `began_ns`: when its reading began, by the system's clock.
        """
        place = _place(file)
        if place is None or not file.sha256 or file.problem or not _is_settled(file, began_ns):
            return
        head = b""
        if path.endswith(".pyc"):
            if file.content is None or len(file.content) != 16:
                return
            head = file.content
        key, row = _key(path), place + bytes.fromhex(file.sha256) + head.ljust(16, b"\0")
        self._learnt += self._files.get(key) != row  # some files are read each time
        self._used_files[key] = row

    def knows(self, path: str) -> bool:
        """Tell whether a file's digest is kept, from this reading or an earlier one."""
        return _key(path) in self._used_files

    def verdict(self, question: bytes) -> Bytecode | None:
        """Return what a comparison of bytecode gave, by the digest (32 bytes) of all that it depends on."""
        found = self._verdicts.get(question)
        if found is not None:
            self._used_verdicts[question] = found
        return found

    def learn_verdict(self, question: bytes, verdict: Bytecode) -> None:
        """Keep the outcome of a comparison."""
        if verdict in _VERDICTS:
            self._used_verdicts[question] = verdict
            self._learnt += 1


def _key(path: str) -> bytes:
    return hashlib.blake2b(os.fsencode(path), digest_size=_PATH.size).digest()


def _place(file: File) -> bytes | None:
    """Return where and of when a file is; None where that is not known or too large a number."""
    if not file.inode or not _TELLS_CHANGES:
        return None
    try:
        return _PLACE.pack(file.device, file.inode, file.size, file.mtime_ns, file.ctime_ns)
    except struct.error:
        return None


def _is_settled(file: File, began_ns: int) -> bool:
    """Tell whether an edit after `began_ns` would have given the file other times."""
    return all(
        stamp < began_ns - (_FINE_NS if stamp % _SECOND_NS else _COARSE_NS) for stamp in (file.mtime_ns, file.ctime_ns)
    )
