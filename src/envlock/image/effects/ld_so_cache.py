"""ld-so-cache: /etc/ld.so.cache and the links that ldconfig makes, in glibc's format 1.1 (elf/dl-cache.h)."""

from __future__ import annotations

import posixpath
import re
import struct
from fnmatch import fnmatchcase
from functools import partial

from envlock.errors import IntegrityError
from envlock.formats.elf import read_elf
from envlock.image.tree import Tree

_MAGIC = b"glibc-ld.so.cache1.1"
_LITTLE_ENDIAN = 2
_HEADER = struct.Struct("<20sIIB3xI12x")
_ENTRY = struct.Struct("<iIIIQ")
_FLAGS = {"x86_64": 0x0303, "aarch64": 0x0A03}
"""FLAG_ELF_LIBC6 with FLAG_X8664_LIB64 or FLAG_AARCH64_LIB64."""
_SYSTEM = ("/lib", "/usr/lib")
_NAMES = ("lib*.so*", "ld-*.so*", "ld.so*")


def apply(tree: Tree) -> None:
    """Write the cache of all libraries in the folders that /etc/ld.so.conf names."""
    rows: list[tuple[str, str]] = []
    seen: set[str] = set()
    for folder in (*_configured(tree, "etc/ld.so.conf"), *_SYSTEM):
        resolved = tree.resolve(folder)
        if resolved is None or resolved in seen:
            continue
        seen.add(resolved)
        rows += [(name, f"{folder}/{name}") for name in _libraries(tree, resolved)]
    content = cache(rows, _FLAGS[tree.machine])
    tree.add("etc/ld.so.cache", "file", owner="ld-so-cache", content=content, replace=True)


def cache(rows: list[tuple[str, str]], flags: int) -> bytes:
    """Return the bytes of a cache that maps names to paths; earlier rows win where a name comes twice."""
    # The linker searches by bisection in descending order of its own comparison.
    rows = sorted(rows, key=lambda row: name_key(row[0]), reverse=True)
    strings = bytearray()
    entries = []
    start = _HEADER.size + _ENTRY.size * len(rows)
    for name, path in rows:
        key = start + len(strings)
        strings += name.encode() + b"\0"
        value = start + len(strings)
        strings += path.encode() + b"\0"
        entries.append(_ENTRY.pack(flags, key, value, 0, 0))
    return _HEADER.pack(_MAGIC, len(rows), len(strings), _LITTLE_ENDIAN, 0) + b"".join(entries) + bytes(strings)


def name_key(name: str) -> tuple[tuple[int, int], ...]:
    """Return a key that orders names as `_dl_cache_libcmp` does: runs of digits by value, after all other letters."""
    return tuple(
        (1, int(part)) if part.isdecimal() else (0, ord(part)) for part in re.findall(r"[0-9]+|[^0-9]", name, re.ASCII)
    )


def _configured(tree: Tree, path: str) -> list[str]:
    """Return the folders of a configuration file, `include` patterns followed in sorted order."""
    folders: list[str] = []
    if path not in tree:
        return folders
    for raw in tree.read(path).decode("utf-8").splitlines():
        line = raw.partition("#")[0].strip()
        if line.startswith("include "):
            pattern = posixpath.join("/etc", line.removeprefix("include ").strip()).lstrip("/")
            for entry in tree.under(posixpath.dirname(pattern)):
                if fnmatchcase(entry.path, pattern):
                    folders += _configured(tree, entry.path)
        elif line:
            folders.append(line.rstrip("/"))
    return folders


def _libraries(tree: Tree, folder: str) -> list[str]:
    """Return the names under which the libraries of one folder are found, links made where a package has none."""
    names: set[str] = set()
    for entry in tree.under(folder):
        directory, name = posixpath.split(entry.path)
        if directory != folder or entry.kind == "dir" or not any(fnmatchcase(name, pattern) for pattern in _NAMES):
            continue
        target = tree.resolve(entry.path)
        found = tree.get(target) if target else None
        if target is None or found is None or found.kind not in ("file", "hardlink"):
            continue
        try:
            elf = read_elf(partial(tree.read_at, entry.path))
        except LookupError:  # of an image, and not kept for reading: it is found by the names that it has there
            names.add(name)
            continue
        except ValueError as error:
            raise IntegrityError("bad-elf", f"A library cannot be read: {error}.", where=f"/{entry.path}") from error
        if elf is None or elf.bits != 64 or elf.machine != tree.machine:
            continue
        soname = elf.soname or name
        if entry.kind == "symlink" and name.endswith(".so") and soname.startswith(name):
            # libfoo.so -> libfoo.so.1, for the link editor and for dlopen("libfoo.so").
            soname = name
        names.add(soname)
        if f"{folder}/{soname}" not in tree:
            tree.add(f"{folder}/{soname}", "symlink", owner="ld-so-cache", link=name)
    return sorted(names)
