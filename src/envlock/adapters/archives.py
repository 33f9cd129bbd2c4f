"""Folders as tar streams: what goes to a Docker Engine, and what comes back from a container."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from envlock.image.root import remove

_CHUNK = 1 << 20
_BLOCK = tarfile.BLOCKSIZE


def archive(folder: Path) -> Iterator[bytes]:
    """Yield a tar of what a folder holds, sorted; everything in it is of user 0, whoever owns it here."""
    for path in sorted(folder.rglob("*")):
        entry = tarfile.TarInfo(str(path.relative_to(folder)))
        about = path.lstat()
        entry.mode, entry.mtime = about.st_mode & 0o7777, int(about.st_mtime)
        if path.is_symlink():
            entry.type, entry.linkname = tarfile.SYMTYPE, str(path.readlink())
        elif path.is_dir():
            entry.type = tarfile.DIRTYPE
        elif path.is_file():
            entry.size = about.st_size
        else:
            continue
        yield entry.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
        if entry.size:
            with path.open("rb") as file:
                yield from iter(lambda: file.read(_CHUNK), b"")
            yield b"\0" * (-entry.size % _BLOCK)
    yield b"\0" * (2 * _BLOCK)


def state_of(folder: Path) -> str:
    """Return a digest of what the file system says of a folder's files; it changes when one of them does."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        about = path.lstat()
        times = () if path.is_dir() else (about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
        total.update(f"{path.relative_to(folder)}\0{about.st_mode}{times}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def replace_by_archive(folder: Path, chunks: Iterable[bytes]) -> None:
    """Make a folder hold the plain files and folders of a tar whose one top folder stands for it.

    A container's tar is not to be trusted: everything is unpacked where nothing is yet, and links and devices are left
    out, so that no path leads elsewhere.
    """
    chunks = iter(chunks)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".copied-", ignore_cleanup_errors=True) as scratch:
        fresh = Path(scratch)
        with tarfile.open(fileobj=_Chunks(chunks), mode="r|") as source:
            for member in source:
                parts = member.name.split("/")[1:]
                # What is one name in a container may be a path on Windows, with a drive and backslashes.
                if not parts or any(part == ".." or Path(part).name != part for part in parts):
                    continue
                target = fresh.joinpath(*parts)
                if member.isdir():
                    target.mkdir(parents=True, exist_ok=True)
                elif member.isreg() and (body := source.extractfile(member)) is not None:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with target.open("xb") as file:
                        shutil.copyfileobj(body, file)
                    target.chmod(0o755 if member.mode & 0o111 else 0o644)
        for _ in chunks:  # what follows the end of the archive, so that the answer it came in is complete
            pass
        for path in list(folder.iterdir()):
            remove(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        for path in list(fresh.iterdir()):
            path.rename(folder / path.name)


class _Chunks(io.RawIOBase):
    """A stream of chunks as a file to read."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._left = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts = [self._left]
        have = len(self._left)
        while size < 0 or have < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            parts.append(chunk)
            have += len(chunk)
        whole = b"".join(parts)
        cut = len(whole) if size < 0 else size
        self._left = whole[cut:]
        return whole[:cut]
