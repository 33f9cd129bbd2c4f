"""Bytecode that was compiled before, by what it was compiled from and with, hashed again whenever it is used.

A layer of many wheels is built again whenever one of them changes; the others' bytecode is what it was.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import IO, Annotated

import msgspec

from envlock.formats.beside import beside
from envlock.formats.oci import canonical_json
from envlock.image.install import InstalledFile
from envlock.model import records
from envlock.model.lock import LAYER_SPEC

_READ = 1 << 20


class Compiled(msgspec.Struct, frozen=True):
    """A .pyc among several, one after another in a file."""

    path: str
    """In the image, without a leading slash."""
    offset: int
    size: int


class _Index(msgspec.Struct, frozen=True):
    """The first line of an entry."""

    sha256: str
    """Of the files, and of all that follows the line."""
    files: list[tuple[str, Annotated[int, msgspec.Meta(ge=0)]]]
    """Path and size of each."""

    @property
    def begun(self) -> hashlib._Hash:
        """What the bytes that follow the line are hashed with."""
        return _begun(self.files)


class BytecodeCache:
    """Entries under ``<root>/<key>``: a line of JSON, then the .pyc files one after another.

    Args:
        interpreter: identity of what compiles; bytecode of another one is another entry.
    """

    def __init__(self, root: Path, interpreter: str) -> None:
        self._root = root
        self._interpreter = interpreter
        self._script = hashlib.sha256((files("envlock.data") / "in_root" / "compile_sources.py").read_bytes())

    def key(self, sources: Iterable[InstalledFile]) -> str:
        """Return the key of what these sources, in this order, are compiled to in one process."""
        return hashlib.sha256(
            canonical_json(
                {
                    "spec": LAYER_SPEC,
                    "script": self._script.hexdigest(),
                    "interpreter": self._interpreter,
                    "sources": [(file.path, file.sha256) for file in sources],
                }
            )
        ).hexdigest()

    def read(self, key: str, into: IO[bytes]) -> list[Compiled] | None:
        """Append an entry to a file; None, and nothing appended, where it is not there or not what it was."""
        start = into.tell()
        try:
            os.utime(self._root / key)  # used now, for what is removed first
            with (self._root / key).open("rb") as file:
                index = records.from_json(file.readline(), _Index)
                found = index.begun
                while chunk := file.read(_READ):
                    found.update(chunk)
                    into.write(chunk)
        except (OSError, msgspec.DecodeError):
            found, index = hashlib.sha256(), None
        if index is None or found.hexdigest() != index.sha256:
            into.seek(start)
            into.truncate()
            return None
        return _laid_out(index.files, start)

    def keep(self, key: str, compiled: Sequence[Compiled], spool: IO[bytes]) -> None:
        """Keep what stands one after another in a file; a cache that cannot be written to keeps nothing."""
        if not compiled:
            return
        begin, end = compiled[0].offset, compiled[-1].offset + compiled[-1].size
        files = [(each.path, each.size) for each in compiled]
        total = _begun(files)
        for chunk in _chunks(spool, begin, end):
            total.update(chunk)
        index = {"files": files, "sha256": total.hexdigest()}

        def fill(part: Path) -> None:
            with part.open("wb") as file:
                file.write(json.dumps(index, separators=(",", ":")).encode() + b"\n")
                for chunk in _chunks(spool, begin, end):
                    file.write(chunk)

        try:
            self._root.mkdir(parents=True, exist_ok=True)
            beside(self._root / key, fill)
        except OSError:
            pass
        spool.seek(end)


def is_whole(path: Path) -> bool:
    """Hash an entry; also true of one that is gone."""
    try:
        with path.open("rb") as file:
            index = records.from_json(file.readline(), _Index)
            found = index.begun
            while chunk := file.read(_READ):
                found.update(chunk)
    except FileNotFoundError:
        return True
    except (OSError, msgspec.DecodeError):
        return False
    return found.hexdigest() == index.sha256


def _begun(files: Sequence[tuple[str, int]]) -> hashlib._Hash:
    return hashlib.sha256(canonical_json(files))


def _laid_out(files: Iterable[tuple[str, int]], start: int) -> list[Compiled]:
    compiled = []
    for path, size in files:
        compiled.append(Compiled(path, start, size))
        start += size
    return compiled


def _chunks(file: IO[bytes], begin: int, end: int) -> Iterator[bytes]:
    file.seek(begin)
    while begin < end and (chunk := file.read(min(_READ, end - begin))):
        begin += len(chunk)
        yield chunk
