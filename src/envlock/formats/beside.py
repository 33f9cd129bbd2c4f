"""Writes a file beside its place and renames it there, so that nobody ever sees a part of it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def beside(path: Path, fill: Callable[[Path], object]) -> None:
    """Have `fill` write a new file in the folder of `path`, and rename it to `path` unless that raises."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(descriptor)
    part = Path(name)
    try:
        fill(part)
        part.chmod(0o644)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_beside(path: Path, raw: bytes) -> None:
    """Write a file whole or not at all, its folder made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside(path, lambda part: part.write_bytes(raw))


def write_named(path: Path, raw: bytes) -> None:
    """Write a file that the user named: whole or not at all, but through a link, and into a device or a pipe.

    To rename over ``/dev/stdout`` would take it from the whole machine.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        path.write_bytes(raw)
    else:
        write_beside(path, raw)


def copy_beside(source: Path, path: Path) -> None:
    """Copy a file whole or not at all, its folder made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside(path, lambda part: shutil.copyfile(source, part))
