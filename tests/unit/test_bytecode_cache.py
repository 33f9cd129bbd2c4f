"""Bytecode that was compiled before is used again, and only where nothing that it depends on has changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from envlock.image.bytecode_cache import is_whole
from envlock.image.oci import Image
from envlock.operations.build import build
from tests.unit.images import FakeCompiler, lock_of, materials
from tests.unit.wheels import make_wheel


@pytest.fixture
def wheels(tmp_path: Path) -> list[Path]:
    """Two small wheels, which share the overflow layer."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    return [
        make_wheel(folder, "one", "1.0", {"one.py": b"x = 1\n", "other.py": b"y = 1\n"}),
        make_wheel(folder, "two", "1.0", {"two.py": b"z = 1\n"}),
    ]


def built(tmp_path: Path, wheels: list[Path], compiler: FakeCompiler, *, rebuild: bool = False) -> Image:
    """Build without any finished layer at hand."""
    shutil.rmtree(tmp_path / "layers", ignore_errors=True)
    return build(lock_of(wheels), materials=materials(tmp_path, wheels, compiler, sums=False), rebuild=rebuild)


def compiled(compiler: FakeCompiler) -> list[str]:
    return sorted(path.rpartition("/")[2] for call in compiler.calls for path in call)


def test_only_what_changed_is_compiled(tmp_path: Path, wheels: list[Path]) -> None:
    """A new version of one wheel costs the compilation of that one; the bytes are those of a build from nothing."""
    built(tmp_path, wheels, FakeCompiler())
    changed = [wheels[0], make_wheel(tmp_path / "wheels", "two", "2.0", {"two.py": b"z = 2\n"})]
    compiler = FakeCompiler()
    image = built(tmp_path, changed, compiler)
    assert compiled(compiler) == ["two.py"]
    shutil.rmtree(tmp_path / "bytecode")
    afresh = FakeCompiler()
    assert built(tmp_path, changed, afresh).index.raw == image.index.raw
    assert compiled(afresh) == ["one.py", "other.py", "two.py"]


def test_damage_is_compiled_again(tmp_path: Path, wheels: list[Path]) -> None:
    """An entry that is not what it was is not used."""
    image = built(tmp_path, wheels, FakeCompiler())
    for entry in (tmp_path / "bytecode").iterdir():
        raw = entry.read_bytes()
        entry.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    compiler = FakeCompiler()
    assert built(tmp_path, wheels, compiler).index.raw == image.index.raw
    assert compiled(compiler) == ["one.py", "other.py", "two.py"]
    for entry in (tmp_path / "bytecode").iterdir():
        entry.write_bytes(b"not JSON\n")
    assert built(tmp_path, wheels, FakeCompiler()).index.raw == image.index.raw


def test_what_an_entry_says_of_itself_is_hashed_too(tmp_path: Path, wheels: list[Path]) -> None:
    """A path or a size that is another one is damage: it would put bytes into another place."""
    image = built(tmp_path, wheels, FakeCompiler())
    for entry in (tmp_path / "bytecode").iterdir():
        line, _, rest = entry.read_bytes().partition(b"\n")
        index = json.loads(line)
        index["files"][0][0] = "etc/passwd"
        entry.write_bytes(json.dumps(index).encode() + b"\n" + rest)
        assert not is_whole(entry)
    assert built(tmp_path, wheels, FakeCompiler()).index.raw == image.index.raw


def test_rebuild_compiles_everything(tmp_path: Path, wheels: list[Path]) -> None:
    """--rebuild distrusts what was compiled before."""
    built(tmp_path, wheels, FakeCompiler())
    compiler = FakeCompiler()
    built(tmp_path, wheels, compiler, rebuild=True)
    assert compiled(compiler) == ["one.py", "other.py", "two.py"]


def test_an_unwritable_cache_costs_only_time(tmp_path: Path, wheels: list[Path]) -> None:
    """Where the cache's folder cannot be made, the image is built all the same."""
    (tmp_path / "bytecode").write_text("in the way")
    assert built(tmp_path, wheels, FakeCompiler()).platforms
