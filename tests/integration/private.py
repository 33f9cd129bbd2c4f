"""Looks for what says of somebody who or where they are, in any bytes: files, and images with their layers inflated."""

from __future__ import annotations

import os
import re
import socket
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

_SHORTEST = 6
"""Characters; a shorter name is a word of something else too."""
_DMI = ("board_serial", "chassis_serial", "product_serial", "product_uuid", "product_asset_tag")
_NOBODYS = re.compile(r"(00[:-]?){6}|127\..*|0\.0\.0\.0|::1|(?i:none|not specified|default string|0+)|")
_GZIP = b"\x1f\x8b"
_WRITTEN = ("lockfiles", "reports", "images", "verified")
"""Folders of what envlock writes into a project."""
_SUFFIXES = (".html", ".sarif", ".sum", ".sig")
_OF_AN_INDEX = "index.html"
"""Tests write the pages of package indexes."""
_LARGEST = 30 << 20


def of_this_machine() -> dict[str, str]:
    """Return its host name, addresses and serial numbers, each with what it is; too short ones are left out."""
    found = {socket.gethostname(): "host name"}
    for path in Path("/sys/class/net").glob("*/address"):
        found[_read(path)] = "MAC address"
    for line in _read(Path("/proc/net/fib_trie")).splitlines():
        if match := re.search(r"\|-- ([\d.]+)", line):
            previous = match[1]
        elif "/32 host LOCAL" in line:
            found[previous] = "IP address"
    found[_read(Path("/etc/machine-id"))] = "machine ID"
    found |= {_read(Path("/sys/class/dmi/id") / name): name for name in _DMI}
    return {text: what for text, what in found.items() if len(text) >= _SHORTEST and not _NOBODYS.fullmatch(text)}


def found_in(raw: bytes, needles: dict[str, str]) -> list[str]:
    """Return what the needles are that some bytes hold, also where they are the bytes of a gzip stream."""
    if raw.startswith(_GZIP):
        raw = zlib.decompress(raw, 31)
    lower = raw.lower()
    return [what for text, what in needles.items() if text.lower().encode() in lower]


class Found(NamedTuple):
    """What a search came to."""

    lines: list[str]
    """One for each needle in each file."""
    searched: int
    """Files, those included whose bytes were searched under the same digest."""


def search(paths: Iterable[Path], needles: dict[str, str], *, patience: float = 60.0) -> Found:
    """Search files for needles; blobs that were searched once, by name, are not again, nor is what is very large."""
    end, seen, lines, searched = time.monotonic() + patience, set(), [], 0
    for path in paths:
        if time.monotonic() > end:
            break
        if path.parent.name == "sha256":
            if path.name in seen:
                searched += 1
                continue
            seen.add(path.name)
        if path.is_file() and path.stat().st_size <= _LARGEST:
            lines += [f"{path}: {what}" for what in found_in(path.read_bytes(), needles)]
            searched += 1
    return Found(lines, searched)


def written(folder: Path) -> Iterator[Path]:
    """Yield what envlock wrote below a folder: locks, reports, images, pages and logs, small files first."""
    files: list[Path] = []
    for name, folders, names in os.walk(folder):
        path = Path(name)
        for cache in (each for each in folders if each.startswith("cache")):
            files += (path / cache / "built").rglob("*.log")
        folders[:] = [name for name in folders if not name.startswith((".venv", ".git", "cache", "lib", "storage"))]
        below = path.relative_to(folder).parts
        files += [
            path / file
            for file in names
            if (file.endswith(_SUFFIXES) and file != _OF_AN_INDEX) or any(part in _WRITTEN for part in below)
        ]
    yield from sorted(files, key=lambda file: file.stat().st_size if file.exists() else 0)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError:
        return ""
