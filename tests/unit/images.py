"""Locks, fake compilers and materials for tests that build images of small wheels, without a base."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path

from envlock.formats.pylock import parse_lock, write_lock
from envlock.formats.wheel import open_wheel
from envlock.model.artifact import Wheel
from envlock.model.lock import Base, ImageConfig, Lock, LockFile, Package, Settings
from envlock.model.platform import Platform
from envlock.operations.materials import Materials

AMD64 = Platform("linux", "amd64")


class FakeCompiler:
    """Answers with the source in capitals; .py files that begin with `!` do not compile."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def compile(self, sources: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
        """Keep the order, note what was asked."""
        call: list[str] = []
        self.calls.append(call)
        for path, source in sources:
            call.append(path)
            folder, _, name = path.rpartition("/")
            if not source.startswith(b"!"):
                yield f"{folder}/__pycache__/{name.removesuffix('.py')}.cpython-39.pyc", source.upper()


def locked(path: Path) -> Package:
    """Return the package of a wheel at hand."""
    raw = path.read_bytes()
    with open_wheel(path) as wheel:
        record = wheel.record_sha256
        name, version = wheel.name, wheel.version
    return Package(
        name=name,
        version=version,
        wheels=(
            Wheel(
                name=path.name,
                size=len(raw),
                sha256=hashlib.sha256(raw).hexdigest(),
                contents="0" * 64,
                record=record,
                path=f"wheels/{hashlib.sha256(raw).hexdigest()[:16]}/{path.name}",
            ),
        ),
    )


def lock_of(
    wheels: Iterable[Path],
    *,
    platforms: tuple[Platform, ...] = (AMD64,),
    image: ImageConfig | None = ImageConfig(),  # noqa: B008 - frozen
    settings: Settings = Settings(),  # noqa: B008 - frozen
) -> LockFile:
    """Return a lock of these wheels on an empty base."""
    base = Base(
        recipe="empty",
        distribution="debian",
        interpreter="/usr/bin/python3.9",
        python="3.9.2",
        glibc="2.31",
        solver="closure",
        effects=(),
        suites=(),
        packages=(),
    )
    lock = Lock(
        env="demo",
        python="3.9",
        platforms=platforms,
        packages=tuple(sorted(map(locked, wheels), key=lambda package: package.name)),
        frameworks=(),
        as_of=None,
        urls="omit",
        settings=settings,
        image=image,
        base=base,
    )
    return parse_lock(write_lock(lock), "pylock.demo.toml")


def materials(
    tmp_path: Path, wheels: Iterable[Path], compiler: FakeCompiler | None = None, *, sums: bool = True
) -> Materials:
    """Return materials whose cache and envlock.sum are in `tmp_path`."""
    paths = {path.name: path for path in wheels}
    return Materials(
        wheels=lambda wheel: paths[wheel.name],
        debs=lambda deb: Path(deb.name),
        compilers=lambda _: nullcontext(compiler or FakeCompiler()),
        layers=tmp_path / "layers",
        bytecode=tmp_path / "bytecode",
        sums=tmp_path / "envlock.sum" if sums else None,
    )
