"""Unpacks the wheels that a build requires into one folder, which stands in for an environment (PEP 518)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from envlock.errors import IntegrityError
from envlock.formats.contents import MAGIC
from envlock.formats.wheel import WheelFile, open_wheel
from envlock.model.artifact import Requirement

LIB, BIN = "lib", "bin"
_FOLDERS = {"site": LIB, "scripts": BIN, "data": ".", "headers": "include"}
_LAUNCHER = """\
#!{interpreter}
import sys
from {module} import {name}
sys.exit({attr}())
"""


def install(requirements: Sequence[Requirement], wheels: Sequence[Path], folder: Path, *, interpreter: str) -> None:
    """Unpack wheels into the new `folder`, its `lib` meant for PYTHONPATH and its `bin` for PATH.

    `interpreter` is the path that scripts name, as it is inside the root. Raises IntegrityError (`build-requirement`)
    where two of the wheels hold the same path, or one that of the interpreter, and what `formats.wheel` raises for
    damaged ones.
    """
    for name in (LIB, BIN):
        (folder / name).mkdir(parents=True)
    for name in ("python", "python3"):
        (folder / BIN / name).symlink_to(interpreter)
    for requirement, path in zip(requirements, wheels, strict=True):
        with open_wheel(path, requirement.file) as wheel:
            _unpack(wheel, folder, interpreter)
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)


def _unpack(wheel: WheelFile, folder: Path, interpreter: str) -> None:
    for entry in wheel.entries:
        chunks = wheel.chunks(entry)
        if entry.scheme == "scripts" and (text := b"".join(chunks)).startswith(MAGIC):
            chunks = iter((f"#!{interpreter}\n".encode(), text.partition(b"\n")[2]))
        elif entry.scheme == "scripts":
            chunks = iter((text,))
        executable = entry.executable or entry.scheme == "scripts"
        _write(folder / _FOLDERS[entry.scheme] / entry.path, chunks, wheel, executable=executable)
    for point in wheel.entry_points():
        name = point.attr.partition(".")[0]
        launcher = _LAUNCHER.format(interpreter=interpreter, module=point.module, name=name, attr=point.attr)
        _write(folder / BIN / point.name, [launcher.encode()], wheel, executable=True)


def _write(target: Path, chunks: Iterable[bytes], wheel: WheelFile, *, executable: bool) -> None:
    """Write a file where nothing is: `bin/python` is a link that leads to this machine's own interpreter."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.writelines(chunks)
    except (FileExistsError, NotADirectoryError):
        raise IntegrityError(
            "build-requirement",
            f"{wheel.filename} brings a file that another build requirement or the interpreter brings too.",
            where=wheel.filename,
            found=target.name,
        ) from None
    target.chmod(0o755 if executable else 0o644)
