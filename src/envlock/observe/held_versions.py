"""Reads the version of Python that a program holds, in itself or in the libpython that it is linked with."""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Iterator
from pathlib import Path

from envlock.formats.elf import read_elf
from envlock.formats.executable import Kind

_NUMBER = rb"(?:2\.7|3\.(?:[3-9]|[1-9][0-9]))\.[0-9]{1,2}(?:(?:a|b|rc)[0-9]+)?"
_VERSION = re.compile(rb"(?<![0-9.])(" + _NUMBER + rb")\+?\0")
"""A string of C, or the end of one: linkers let PY_VERSION share the bytes of a path that ends in it."""
VERSION = re.compile(_NUMBER.decode())
"""A whole version, as describe.py prints it."""
_LIBRARY = re.compile(r"libpython[23][\d.]*[dmut]*\.(so[\d.]*|dylib)|python[23]\d+t?\.dll|Python")


def held_versions(program: Path, kind: Kind, home: str, version: str | None) -> set[str] | None:
    """Return the versions that a program and its libpython hold; None where a library that it needs was not found."""
    held: set[str] = set()
    whole = True
    for path in _images(program, kind, home):
        if path is None:
            whole = False
            continue
        found = _versions_in(path, version)
        if version is not None and version in found:
            return {version}
        held |= found
    # Another format's libraries are found by rules that only its own system knows.
    return held if held or (whole and kind == "elf") else None


def _images(program: Path, kind: Kind, home: str) -> Iterator[Path | None]:
    """Yield the files that an interpreter's code is in; None for a libpython that could not be found."""
    yield program
    folder = program.parent
    beside = [Path(home).parent] if home else []
    if kind == "elf":
        with program.open("rb") as file:

            def read(offset: int, size: int) -> bytes:
                file.seek(offset)
                return file.read(size)

            try:
                elf = read_elf(read)
            except ValueError:
                elf = None
        for name in elf.needed if elf is not None else ():
            if _LIBRARY.fullmatch(name):
                origins = [p.replace("$ORIGIN", str(folder)) for p in elf.runpath.split(":") if p] if elf else []
                given = [p for p in os.environ.get("LD_LIBRARY_PATH", "").split(":") if p]
                around = [f"{base}/{lib}" for base in (folder.parent, *beside) for lib in ("lib", "lib64")]
                usual = [*around, *_system_folders()]
                yield next((p for f in (*origins, *given, *usual) if (p := Path(f) / name).is_file()), None)
        return
    for base in (folder.parent, *beside):
        for place in (*([folder] if base == folder.parent else [Path(home)]), base, base / "lib"):
            if place.is_dir():
                yield from (p for p in sorted(place.iterdir()) if _LIBRARY.fullmatch(p.name) and p.is_file())


def _system_folders() -> list[str]:
    roots = ("/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib")
    multiarch = (f"/usr/lib/{name}" for name in ("x86_64-linux-gnu", "aarch64-linux-gnu"))
    return [*roots, *multiarch]


def _versions_in(path: Path, version: str | None) -> set[str]:
    """Return `version` alone if a file holds it as a string of C, else every string in it that looks like Python's."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if version is not None:
                exact = re.compile(rb"(?<![0-9.])" + re.escape(version.encode("utf-8", "replace")) + rb"\+?\0")
                if exact.search(data):
                    return {version}
            return {match[1].decode("ascii") for match in _VERSION.finditer(data)}
    except (OSError, ValueError):
        return set()
