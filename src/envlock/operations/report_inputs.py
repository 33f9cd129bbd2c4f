"""The data files of a report: what they are called there, and the digests of their bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from envlock.model.edges import Progress, Task

_CHUNK = 1 << 20


def input_names(texts: Iterable[str], folder: Path) -> dict[str, Path]:
    """Return data files by the names that a report gives them: relative to the project's folder, else their own."""
    found = {}
    for text in texts:
        path = (folder / text).absolute()
        inside = path.is_relative_to(folder.absolute()) and ".." not in path.parts
        found[path.relative_to(folder.absolute()).as_posix() if inside else path.name] = path
    return found


def hashed_inputs(inputs: Mapping[str, Path], progress: Progress) -> Iterator[tuple[str, str | None]]:
    """Yield the sha256 of data files and folders by name, sorted; None for what is not there."""
    for name, path in sorted(inputs.items()):
        with progress.task(f"Hashing {name}", unit="bytes") as task:
            yield name, _input_digest(path, task)


def _input_digest(path: Path, task: Task) -> str | None:
    """Return the sha256 of a file, or of the sorted lines ``path US sha256 LF`` of a folder; None where it is neither.

    FIFOs and devices are no data: reading one may never end.
    """
    if path.is_file():
        return _file_digest(path, task)
    if not path.is_dir():
        return None
    rows = (
        f"{file.relative_to(path).as_posix()}\x1f{_file_digest(file, task)}\n"
        for file in sorted(path.rglob("*"))
        if file.is_file()
    )
    whole = hashlib.sha256()
    for row in rows:
        whole.update(row.encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def _file_digest(path: Path, task: Task) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            task.advance(len(chunk))
    return digest.hexdigest()
