"""Verifying an environment again: what is remembered saves reading, and hides nothing."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from envlock.adapters.memory import CacheMemory
from envlock.model.finding import Verdict
from envlock.model.lock import LockFile
from envlock.model.observation import File
from envlock.model.terms import Terms
from envlock.observe import reading, tree
from envlock.operations.verify import Witnesses, verify_environment
from tests.unit.venvs import Venv, demo_wheel, lock_of, rules_of

FRESH = ("METADATA", "RECORD", "WHEEL", "INSTALLER", "REQUESTED", "entry_points.txt", "pyvenv.cfg")
"""What is read each time, beside scripts."""


@pytest.fixture
def venv(tmp_path: Path) -> Venv:
    return Venv(tmp_path / "venv")


@pytest.fixture
def lock(tmp_path: Path, venv: Venv) -> LockFile:
    wheel = demo_wheel(tmp_path)
    venv.install(wheel)
    return lock_of([wheel])


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the files that are read, in a time when the environment has long been as it is."""
    names: list[str] = []
    real_read, real_clock = reading.read, time.time_ns

    def noted(path: str, *arguments: object, **options: object) -> File:
        names.append(Path(path).name)
        return real_read(path, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(reading, "read", noted)
    monkeypatch.setattr(time, "time_ns", lambda: real_clock() + 10**10)
    return names


def verify(venv: Venv, lock: LockFile, cache: Path, *, full: bool = True) -> Verdict:
    """Verify with a memory in `cache`."""
    return verify_environment(
        lock,
        venv.prefix,
        folder=venv.prefix.parent,
        witnesses=Witnesses(
            records=lambda wheel: venv.records.get(wheel.record), interpreter=venv, memory=CacheMemory(cache)
        ),
        terms=Terms(full=full),
        name=".venv",
    )


def edit(path: Path, data: bytes) -> None:
    """Write a file in place, its size and mtime as they were, once the clock of the file system has moved on."""
    before = path.stat()
    assert len(data) == before.st_size
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        path.write_bytes(data)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_second_time_reads_only_what_rules_read(tmp_path: Path, venv: Venv, lock: LockFile, opened: list[str]) -> None:
    """The same verdict, and no file opened but metadata and scripts."""
    first = verify(venv, lock, tmp_path / "cache")
    assert {"__init__.py", "native.so", "table.csv"} < set(opened)
    opened.clear()
    assert verify(venv, lock, tmp_path / "cache") == first
    assert first.exit_code == 0
    assert {name for name in opened if name not in FRESH} == {"demo-run", "demo-script", "demo-shell"}


def test_edit_that_keeps_size_and_mtime_is_caught(
    tmp_path: Path, venv: Venv, lock: LockFile, opened: list[str]
) -> None:
    """Only the kernel sets ctime: an edit with the old size and mtime is read, and contradicts the lock."""
    assert verify(venv, lock, tmp_path / "cache").exit_code == 0
    edit(venv.site / "demo/__init__.py", b"value = 2\n")
    verdict = verify(venv, lock, tmp_path / "cache")
    assert (verdict.exit_code, rules_of(verdict)) == (4, ["file-tampered"])
    edit(venv.site / "demo/__init__.py", b"value = 1\n")
    assert verify(venv, lock, tmp_path / "cache").exit_code == 0


def test_replacement_that_keeps_size_and_times_is_caught(
    tmp_path: Path, venv: Venv, lock: LockFile, opened: list[str]
) -> None:
    """Another file renamed into place is another inode."""
    assert verify(venv, lock, tmp_path / "cache").exit_code == 0
    path = venv.site / "demo/native.so"
    other = path.with_name("other")
    shutil.copy2(path, other)
    edit(other, bytes(path.stat().st_size))
    other.replace(path)
    assert verify(venv, lock, tmp_path / "cache").exit_code == 4


def test_fresh_files_are_read_again(
    tmp_path: Path, venv: Venv, lock: LockFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second edit within a tick of the clock leaves the same times: what was just written is not remembered."""
    path = venv.site / "demo/__init__.py"
    about = path.stat()
    real = tree.described

    def as_before(found: os.stat_result, *, linked: bool = False) -> File:
        file = real(found, linked=linked)
        same = found.st_ino == about.st_ino
        return replace(file, mtime_ns=about.st_mtime_ns, ctime_ns=about.st_ctime_ns) if same else file

    monkeypatch.setattr(tree, "described", as_before)
    monkeypatch.setattr(reading, "described", as_before)
    monkeypatch.setattr(time, "time_ns", lambda: about.st_ctime_ns + 1_000_000)
    assert verify(venv, lock, tmp_path / "cache").exit_code == 0
    path.write_bytes(b"value = 2\n")
    assert verify(venv, lock, tmp_path / "cache").exit_code == 4


def test_another_environment_is_read(tmp_path: Path, venv: Venv, lock: LockFile, opened: list[str]) -> None:
    """What is known of one environment says nothing of its copy."""
    assert verify(venv, lock, tmp_path / "cache").exit_code == 0
    copy = Venv(tmp_path / "copy")
    shutil.copytree(venv.site, copy.site, dirs_exist_ok=True)
    opened.clear()
    verify(copy, lock, tmp_path / "cache")
    assert {"__init__.py", "native.so", "table.csv"} < set(opened)
    assert len(list((tmp_path / "cache/stats").iterdir())) == 2


def test_damaged_memory_costs_time_alone(tmp_path: Path, venv: Venv, lock: LockFile, opened: list[str]) -> None:
    """A memory that was cut, written by others or never was one is ignored, and written anew where that is possible."""
    first = verify(venv, lock, tmp_path / "cache")
    (kept,) = (tmp_path / "cache/stats").iterdir()
    raw = kept.read_bytes()
    for damaged in (b"", raw[:-1], raw.replace(bytes(4), b"abcd"), b"[]"):
        kept.write_bytes(damaged)
        opened.clear()
        assert verify(venv, lock, tmp_path / "cache") == first
        assert "native.so" in opened
        assert kept.read_bytes() == raw


def test_quick_has_no_memory(tmp_path: Path, venv: Venv, lock: LockFile) -> None:
    """Sizes and metadata are looked at each time; there is nothing to remember."""
    verify(venv, lock, tmp_path / "cache", full=False)
    assert not (tmp_path / "cache").exists()


def test_bytecode_is_compared_once(
    tmp_path: Path, venv: Venv, lock: LockFile, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interpreter compiles a module again only where .pyc, source or the interpreter itself changed."""
    asked: list[int] = []
    answer = venv.ask

    def ask(python: Path, script: bytes, *, timeout: float = 30.0) -> bytes:
        asked.append(script.partition(b"\n")[0].count(b".pyc'"))
        return answer(python, script, timeout=timeout)

    monkeypatch.setattr(venv, "ask", ask)
    pyc = venv.site / "demo/__pycache__/__init__.cpython-311.pyc"
    pyc.parent.mkdir()
    pyc.write_bytes(bytes(40))
    for expected in (1, 0):
        assert verify(venv, lock, tmp_path / "cache").exit_code == 0
        assert sum(asked) == expected
        asked.clear()
    edit(pyc, b"\1" * 40)
    for expected in (1, 0):
        assert verify(venv, lock, tmp_path / "cache").exit_code == 0
        assert sum(asked) == expected
        asked.clear()
    program = os.path.realpath(venv.python)
    edit(Path(program), Path(program).read_bytes())
    verify(venv, lock, tmp_path / "cache")
    assert sum(asked) == 1
    venv.bytecode[pyc.name] = "differs"
    edit(pyc, b"\2" * 40)
    for _ in range(2):
        asked.clear()
        assert "bytecode-altered" in rules_of(verify(venv, lock, tmp_path / "cache"))
        assert sum(asked) == 1
