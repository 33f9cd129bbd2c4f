"""Ways in which an environment comes to differ from its lock, made for real and undone again."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path


class Target:
    """The environment that drifts, with a pure package, a compiled one and a module to choose from."""

    def __init__(self, venv: Path) -> None:
        self.venv = venv
        (self.site,) = venv.glob("lib/python3.*/site-packages")
        self.module = self.site / "six.py"
        self.folder = self.site / "requests"
        (self.info,) = self.site.glob("six-*.dist-info")
        self.library = next(iter(sorted((self.site / "numpy.libs").glob("*.so*"))))


class Drift:
    """One way to drift: a context in which the environment has."""

    def __init__(self, title: str, make: Callable[[Target], AbstractContextManager[None]]) -> None:
        self.title = title
        self._make = make

    def __call__(self, target: Target) -> AbstractContextManager[None]:
        return self._make(target)


DRIFTS: list[Drift] = []


def _drift(title: str) -> Callable[[Callable[[Target], Iterator[None]]], None]:
    def add(make: Callable[[Target], Iterator[None]]) -> None:
        DRIFTS.append(Drift(title, contextmanager(make)))

    return add


@contextmanager
def _kept(*paths: Path) -> Iterator[None]:
    """Put files and folders back as they were; those that were not there go."""
    with tempfile.TemporaryDirectory() as aside:
        copies = [(path, Path(aside) / str(at)) for at, path in enumerate(paths)]
        for path, copy in copies:
            _copy(path, copy)
        try:
            yield
        finally:
            for path, copy in copies:
                if path.is_dir():
                    shutil.rmtree(path)
                path.unlink(missing_ok=True)
                _copy(copy, path)


def _copy(source: Path, place: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, place, symlinks=True)
    elif source.exists():
        shutil.copy2(source, place)


def _flip(path: Path, at: int) -> None:
    """Change one bit in place; size and mtime stay."""
    about = path.stat()
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def _record(target: Target, path: Path) -> None:
    """Make RECORD agree with a file of six."""
    record = target.info / "RECORD"
    name = path.relative_to(target.site).as_posix()
    digest = base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).rstrip(b"=").decode()
    row = f"{name},sha256={digest},{path.stat().st_size}"
    lines = record.read_text().splitlines()
    record.write_text("\n".join(row if line.startswith(f"{name},") else line for line in lines) + "\n")


@_drift("edited .py")
def _(target: Target) -> Iterator[None]:
    with _kept(target.module):
        target.module.write_text(target.module.read_text() + "\nADDED = True\n")
        yield


@_drift("edited .py of the same size and mtime")
def _(target: Target) -> Iterator[None]:
    with _kept(target.module):
        _flip(target.module, 100)
        yield


@_drift("edited .py, RECORD rewritten")
def _(target: Target) -> Iterator[None]:
    with _kept(target.module, target.info / "RECORD"):
        target.module.write_text(target.module.read_text() + "\nADDED = True\n")
        _record(target, target.module)
        yield


@_drift("one bit of a .so")
def _(target: Target) -> Iterator[None]:
    with _kept(target.library):
        _flip(target.library, target.library.stat().st_size // 2)
        yield


@_drift(".pyc of other code than its source")
def _(target: Target) -> Iterator[None]:
    source = target.module.stat()
    code = (
        f"import marshal, struct, importlib.util as u, sys; c = compile('EVIL = 1', {str(target.module)!r}, 'exec'); "
    )
    head = f"h = u.MAGIC_NUMBER + struct.pack('<III', 0, {int(source.st_mtime)}, {source.st_size}); "
    made = subprocess.run(
        [target.venv / "bin/python", "-I", "-c", code + head + "sys.stdout.buffer.write(h + marshal.dumps(c))"],
        check=True,
        stdout=subprocess.PIPE,
    ).stdout
    cache = target.site / "__pycache__"
    tag = target.site.parent.name.replace("python", "cpython-").replace(".", "")
    with _kept(cache):
        cache.mkdir(exist_ok=True)
        (cache / f"six.{tag}.pyc").write_bytes(made)
        yield


@_drift("deleted file")
def _(target: Target) -> Iterator[None]:
    with _kept(target.folder / "certs.py"):
        (target.folder / "certs.py").unlink()
        yield


@_drift("missing package")
def _(target: Target) -> Iterator[None]:
    with _kept(target.module, target.info):
        target.module.unlink()
        shutil.rmtree(target.info)
        yield


@_drift("another version")
def _(target: Target) -> Iterator[None]:
    other = target.info.with_name("six-1.14.0.dist-info")
    with _kept(target.info, other):
        metadata = target.info / "METADATA"
        version = target.info.name.removesuffix(".dist-info").partition("-")[2]
        metadata.write_text(metadata.read_text().replace(f"Version: {version}", "Version: 1.14.0"))
        target.info.rename(other)
        yield


@_drift("a package that is not locked")
def _(target: Target) -> Iterator[None]:
    info = target.site / "stranger-1.0.dist-info"
    with _kept(info, target.site / "stranger.py"):
        info.mkdir()
        (target.site / "stranger.py").write_text("")
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
        (info / "INSTALLER").write_text("uv")
        (info / "RECORD").write_text(
            "stranger.py,,\nstranger-1.0.dist-info/METADATA,,\n"
            "stranger-1.0.dist-info/INSTALLER,,\nstranger-1.0.dist-info/RECORD,,\n"
        )
        yield


@_drift("installed from a working tree (editable)")
def _(target: Target) -> Iterator[None]:
    with _kept(target.info):
        (target.info / "direct_url.json").write_text('{"url": "file:///src/six", "dir_info": {"editable": true}}')
        yield


@_drift("sitecustomize.py")
def _(target: Target) -> Iterator[None]:
    with _kept(target.site / "sitecustomize.py"):
        (target.site / "sitecustomize.py").write_text("import random; random.random = lambda: 4\n")
        yield


@_drift(".pth that runs code")
def _(target: Target) -> Iterator[None]:
    with _kept(target.site / "extra.pth"):
        (target.site / "extra.pth").write_text("import sys; sys.dont_write_bytecode = True\n")
        yield


@_drift("module that shadows a locked one")
def _(target: Target) -> Iterator[None]:
    with _kept(target.site / "six"):
        (target.site / "six").mkdir()
        (target.site / "six/__init__.py").write_text("")
        yield


@_drift("file of nobody inside a package")
def _(target: Target) -> Iterator[None]:
    with _kept(target.folder / "_patch.py"):
        (target.folder / "_patch.py").write_text("")
        yield


@_drift("launcher of another interpreter")
def _(target: Target) -> Iterator[None]:
    script = target.venv / "bin/normalizer"
    with _kept(script):
        lines = script.read_text().splitlines(keepends=True)
        script.write_text("".join(["#!/usr/bin/python3\n", *lines[1:]]))
        yield
