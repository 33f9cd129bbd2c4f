"""The sdist-only packages of TensorFlow 2.5 and 2.6, built in the root of the recipe's Debian packages."""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
from pathlib import Path

import msgspec
import pytest

from envlock.errors import UsageError
from envlock.formats.elf import read_elf
from envlock.formats.wheel import open_wheel
from envlock.locking.opening import Opening
from envlock.locking.sdist import BuiltWheel, build_wheel
from envlock.model.artifact import Requirement
from envlock.model.edges import Resolution
from envlock.operations.builds import Builds
from tests.integration.roots import PLATFORM, edges, resolved, root_of

pytestmark = pytest.mark.network

RECIPE = "debian-bullseye-python3.9"
WANTED = Resolution(requirements=(), python="3.9", platform=PLATFORM, glibc="2.31", cutoff="2021-05-15T00:00:00Z")


@functools.cache
def builds() -> Builds:
    """What resolves and builds in the recipe's root, for the whole session."""
    return Builds(base=lambda _: resolved(RECIPE), previous=None, folder=Path(), edges=edges())


def build(name: str, version: str, destination: Path, *, base: Path | None = None, twice: bool = False) -> BuiltWheel:
    """Build one wheel as a lock of May 2021 would."""
    wanted = msgspec.structs.replace(WANTED, requirements=(f"{name}=={version}",), no_deps=True)
    [row] = builds().resolve(wanted)
    return build_wheel(
        Opening(edges().downloads, edges().artifacts, edges().progress).whole(row),
        name=name,
        version=version,
        root=root_of(RECIPE, build=True),
        sandbox=edges().sandbox,
        requires=builds().requirements(WANTED, resolved(RECIPE)),
        interpreter="/usr/bin/python3.9",
        destination=destination,
        progress=edges().progress,
        base=base or root_of(RECIPE),
        twice=twice,
    )


def test_extension_is_the_same_under_another_umask_and_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """wrapt's C extension is compiled, needs no newer glibc than the base's, and knows no path of this machine."""
    built = build("wrapt", "1.12.1", tmp_path / "one", twice=True)
    for name, value in {
        "CFLAGS": "-O0",
        "CC": "false",
        "TZ": "Asia/Tokyo",
        "LC_ALL": "C",
        "SOURCE_DATE_EPOCH": "1",
    }.items():
        monkeypatch.setenv(name, value)
    before = os.umask(0o077)
    try:
        again = build("wrapt", "1.12.1", tmp_path / "a longer folder" / "two")
    finally:
        os.umask(before)
    assert again.sha256 == built.sha256 == hashlib.sha256(built.path.read_bytes()).hexdigest()
    assert built.name == "wrapt-1.12.1-cp39-cp39-linux_x86_64.whl"
    assert [(row.name, row.version) for row in built.build.requires] == [("setuptools", "56.2.0"), ("wheel", "0.36.2")]
    with open_wheel(built.path) as wheel:
        [entry] = [entry for entry in wheel.entries if entry.path.endswith(".so")]
        library = wheel.read(entry)
    elf = read_elf(lambda offset, size: library[offset : offset + size])
    assert elf is not None
    assert elf.runpath == ""
    assert elf.glibc <= (2, 31)
    assert str(tmp_path).encode() not in library


@pytest.mark.parametrize("project", ["termcolor==1.1.0", "clang==5.0"])
def test_pure_packages(project: str, tmp_path: Path) -> None:
    """Old setup.py projects without a pyproject.toml."""
    name, version = project.split("==")
    built = build(name, version, tmp_path)
    assert built.name == f"{name}-{version}-py3-none-any.whl"
    assert built.build.sdist.name == f"{name}-{version}.tar.gz"


def test_library_that_only_the_build_root_has(tmp_path: Path) -> None:
    """An extension that links what the base lacks is refused: here, a base without a C library."""
    with pytest.raises(UsageError) as caught:
        build("wrapt", "1.12.1", tmp_path / "built", base=tmp_path)
    assert caught.value.reference == "wheel-unfit"
    assert "libc.so.6" in caught.value.found


def test_compiler_error_is_shown(tmp_path: Path) -> None:
    """The end of the build's log is in the error, and the log is kept."""
    import io
    import tarfile

    source = tmp_path / "broken-1.0.tar.gz"
    files = {
        "setup.py": "from setuptools import Extension, setup\n"
        "setup(name='broken', version='1.0', ext_modules=[Extension('broken', ['broken.c'])])\n",
        "broken.c": "#error this cannot be compiled\n",
    }
    with tarfile.open(source, "w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(f"broken-1.0/{name}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    with pytest.raises(UsageError) as caught:
        build_wheel(
            source,
            name="broken",
            version="1.0",
            root=root_of(RECIPE, build=True),
            sandbox=edges().sandbox,
            requires=builds().requirements(WANTED, resolved(RECIPE)),
            interpreter="/usr/bin/python3.9",
            destination=tmp_path,
            progress=edges().progress,
        )
    assert caught.value.reference == "build-failed"
    assert "this cannot be compiled" in caught.value.found
    assert "this cannot be compiled" in (tmp_path / "broken-1.0.log").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken-1.0.log", "broken-1.0.tar.gz"]


def test_built_extension_runs_in_the_base(tmp_path: Path) -> None:
    """The base's interpreter imports it, with the C extension in use."""
    built = build("wrapt", "1.12.1", tmp_path / "built")
    from envlock.locking import build_environment

    row = Requirement(name="wrapt", version="1.12.1", file=built.name, size=built.size, sha256=built.sha256)
    build_environment.install([row], [built.path], tmp_path / "environment", interpreter="/usr/bin/python3.9")
    process = edges().sandbox.start(
        root_of(RECIPE),
        ["/usr/bin/python3.9", "-B", "-c", "import wrapt._wrappers as w; print(w.__file__)"],
        environment={"PYTHONPATH": "/modules"},
        binds={"/modules": tmp_path / "environment" / "lib"},
    )
    assert isinstance(process, subprocess.Popen)
    assert process.communicate() == (b"/modules/wrapt/_wrappers.cpython-39-x86_64-linux-gnu.so\n", b"")
