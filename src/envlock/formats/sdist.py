"""Unpacks a source distribution (PEP 517, PEP 625; tar or zip) without letting it out of its folder."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NoReturn

from envlock.errors import IntegrityError

EPOCH = 315532800
"""1980-01-01, the first time that a zip archive can hold; every file of an unpacked sdist has it."""
_LIMIT = 4 << 30
_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError)

_File = tuple[str, bool, int, IO[bytes]]
"""Name, executable, size, bytes."""


def unpack_sdist(sdist: Path, destination: Path, *, filename: str | None = None) -> Path:
    """Unpack into the new folder `destination` and return the one folder that is in it.

    Modes are 0644 or 0755 and times `EPOCH`, whatever the archive and this process's umask say. Raises IntegrityError
    (`bad-sdist`) for an archive that is damaged, climbs out, holds links or devices, or has not one folder at its top.
    """
    name = filename or sdist.name
    destination.mkdir(mode=0o755)
    folders = {destination}
    left = _LIMIT
    for path, executable, size, source in _files(sdist, name):
        left -= size
        if left < 0:
            _refuse(name, f"it unpacks to more than {_LIMIT >> 30} GiB")
        parts = path.split("/")
        if any(part in ("", ".", "..") for part in parts) or "\0" in path or "\\" in path:
            _refuse(name, f"{path!r} would leave its folder")
        if len(parts) < 2:
            _refuse(name, f"{path!r} is not in the one folder that an sdist has at its top")
        target = destination.joinpath(*parts)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                shutil.copyfileobj(source, file)
                os.fchmod(file.fileno(), 0o755 if executable else 0o644)
        except (FileExistsError, NotADirectoryError):
            _refuse(name, f"{path!r} is there twice")
        except _DAMAGED as error:
            _damaged(name, error)
        os.utime(target, (EPOCH, EPOCH))
        folders.update(destination.joinpath(*parts[:count]) for count in range(1, len(parts)))
    tops = sorted(destination.iterdir())
    if len(tops) != 1:
        _refuse(name, f"it has {len(tops)} folders at its top, not one")
    for folder in folders:
        folder.chmod(0o755)
        os.utime(folder, (EPOCH, EPOCH))
    return tops[0]


def _files(sdist: Path, name: str) -> Iterator[_File]:
    opened = _zip_files if name.endswith(".zip") else _tar_files
    try:
        yield from opened(sdist, name)
    except _DAMAGED as error:
        _damaged(name, error)


def _tar_files(sdist: Path, name: str) -> Iterator[_File]:
    with tarfile.open(sdist, "r|*") as archive:
        for member in archive:
            if member.isreg():
                source = archive.extractfile(member)
                assert source is not None
                yield member.name.removeprefix("./"), bool(member.mode & 0o111), member.size, source
            elif not member.isdir() and member.type != tarfile.XGLTYPE:
                _refuse(name, f"{member.name!r} is a link or a device")


def _zip_files(sdist: Path, name: str) -> Iterator[_File]:
    with zipfile.ZipFile(sdist) as archive:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                _refuse(name, f"{info.filename!r} is a link or a device")
            if not info.is_dir():
                with archive.open(info) as source:
                    yield info.filename, bool(mode & 0o111), info.file_size, source


def _damaged(name: str, error: Exception) -> NoReturn:
    if isinstance(error, OSError) and error.errno is not None:  # the disk's fault, not the archive's
        raise error
    _refuse(name, f"it is damaged ({error})")


def _refuse(name: str, why: str) -> NoReturn:
    raise IntegrityError(
        "bad-sdist",
        f"{name} is refused: {why}.",
        where=name,
        hint="Take another version of the package, or report the file to whoever published it.",
    )
