"""One layer of installed wheels: their files in order of path, then their bytecode, wheel by wheel.

Layer spec v1, the order: the files of all wheels of the layer sorted by the UTF-8 bytes of their paths, each folder
before the first entry in it; then the .pyc files, wheels in order of their names, sorted by path within each. The
bytecode comes last so that the interpreter compiles while the streams are spliced.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Self

from envlock.errors import UnverifiableError
from envlock.formats.tar import Entry
from envlock.formats.wheel import WheelFile
from envlock.image.bytecode_cache import BytecodeCache, Compiled
from envlock.image.install import InstalledFile, folder, installed_files, sources, with_parents
from envlock.image.layer import Layer, LayerWriter
from envlock.model.edges import Compiler, Task

_READ = 1 << 20


def write_wheel_layer(
    path: Path,
    wheels: Sequence[WheelFile],
    python: str,
    *,
    compiler: Compiler | None,
    cache: BytecodeCache | None = None,
    progress: Task | None = None,
) -> Layer:
    """Write the layer of these wheels, which are sorted by name.

    Args:
        python: feature version, such as 3.9.
        compiler: None for a layer without bytecode.
        cache: bytecode that need not be compiled again.

    Raises what LayerWriter, `installed_files` and the compiler raise.
    """
    plans = [(wheel, installed_files(wheel, python)) for wheel in wheels]
    with LayerWriter(path, progress=progress) as writer, _Bytecode(plans, python, compiler, cache) as bytecode:
        seen: set[str] = set()
        for wheel, file in _in_order(plans):
            for parent in with_parents([file.path], seen):
                writer.add(folder(parent))
            if file.entry is None:
                writer.stored(file.tar_entry, [file.text])
            else:
                writer.spliced(
                    file.tar_entry,
                    wheel.raw(file.entry),
                    method=file.entry.method,
                    crc=file.entry.crc,
                    origin=wheel.filename,
                )
        brought = {file.path for _, files in plans for file in files}
        for entry, body in bytecode.members():
            if entry.path in brought:
                continue  # a wheel's own .pyc is what its RECORD vouches for
            for parent in with_parents([entry.path], seen):
                writer.add(folder(parent))
            writer.compressed(entry, body)
        return writer.finish()


_Plan = tuple[WheelFile, tuple[InstalledFile, ...]]


def _in_order(plans: Iterable[_Plan]) -> Iterator[tuple[WheelFile, InstalledFile]]:
    """Yield every path once; where several wheels have it, with the same bytes, the first wheel's."""
    files: dict[str, tuple[WheelFile, InstalledFile]] = {}
    for wheel, installed in plans:
        for file in installed:
            files.setdefault(file.path, (wheel, file))
    for path in sorted(files, key=str.encode):
        yield files[path]


def _by_path(file: Compiled) -> bytes:
    return file.path.encode()


class _Bytecode:
    """Compiles in a thread beside the splice and keeps the result in a nameless temporary file."""

    def __init__(
        self, plans: Sequence[_Plan], python: str, compiler: Compiler | None, cache: BytecodeCache | None
    ) -> None:
        self._plans = plans
        self._python = python
        self._compiler = compiler
        self._cache = cache
        self._stop = threading.Event()
        self._spool: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bytecode")
        self._result: Future[list[Compiled]] | None = None

    def __enter__(self) -> Self:
        if self._compiler is not None:
            self._result = self._thread.submit(self._compile, self._compiler)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._spool.close()

    def _compile(self, compiler: Compiler) -> list[Compiled]:
        compiled: list[Compiled] = []
        seen: set[str] = set()
        for wheel, files in self._plans:
            mine = [file for file in sources(files, self._python) if file.path not in seen]
            seen |= {file.path for file in mine}
            compiled += self._compile_wheel(compiler, wheel, mine)
        return compiled

    def _compile_wheel(self, compiler: Compiler, wheel: WheelFile, files: Sequence[InstalledFile]) -> list[Compiled]:
        if not files:
            return []
        key = self._cache.key(files) if self._cache is not None else ""
        if self._cache is not None and (known := self._cache.read(key, self._spool)) is not None:
            return sorted(known, key=_by_path)
        compiled: list[Compiled] = []
        for path, pyc in compiler.compile(self._texts(wheel, files)):
            compiled.append(Compiled(path.removeprefix("/"), self._spool.tell(), len(pyc)))
            self._spool.write(pyc)
        if self._cache is not None:
            self._cache.keep(key, compiled, self._spool)
        return sorted(compiled, key=_by_path)

    def _texts(self, wheel: WheelFile, files: Iterable[InstalledFile]) -> Iterator[tuple[str, bytes]]:
        for file in files:
            if self._stop.is_set():
                raise UnverifiableError("cancelled", "The compilation was cancelled.")
            yield f"/{file.path}", file.text if file.entry is None else wheel.read(file.entry)

    def members(self) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        """Wait for the compiler and yield what it made."""
        if self._result is None:
            return
        for file in self._result.result():
            entry = Entry(path=file.path, kind="file", mode=0o644, size=file.size)
            yield entry, self._read(file)

    def _read(self, file: Compiled) -> Iterator[bytes]:
        self._spool.seek(file.offset)
        left = file.size
        while left:
            chunk = self._spool.read(min(left, _READ))
            left -= len(chunk)
            yield chunk
