"""Verification of environments of other systems, as trees that were copied here: nothing in them is run."""

from __future__ import annotations

import struct
from pathlib import Path

import msgspec
import pytest

from envlock.errors import UnverifiableError
from envlock.formats.executable import recognise
from envlock.formats.pylock import write_lock
from envlock.model.lock import LockFile
from envlock.model.platform import Platform
from tests.unit.venvs import Venv, demo_wheel, finding_of, lock_of, rules_of
from tests.unit.wheels import make_wheel, record_line

PE = b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0" + struct.pack("<H", 0x8664) + bytes(64)
MACH_ARM = struct.pack("<II", 0xFEEDFACF, 0x0100000C) + bytes(64)
ELF_ARM = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 3, 183) + bytes(64)


def lock_for(wheel: Path, platform: str) -> LockFile:
    lock = msgspec.structs.replace(lock_of([wheel]).lock, platforms=(Platform.parse(platform),))
    return LockFile(lock=lock, raw=write_lock(lock))


class Recorded(Venv):
    """A tree whose interpreter must not be asked."""

    def ask(self, python: Path, script: bytes, *, timeout: float = 30.0) -> bytes:
        """Fail the test: this machine cannot run it."""
        raise AssertionError(f"{python} was run")


class Windows(Recorded):
    """Lib/site-packages, Scripts, and launchers that are programs."""

    def __init__(self, prefix: Path) -> None:
        super().__init__(prefix)
        for folder in (self.site, self.site.parent, self.site.parent.parent):
            folder.rmdir()
        self.python.unlink()
        self.scripts.rmdir()
        self.site, self.scripts = prefix / "Lib/site-packages", prefix / "Scripts"
        self.site.mkdir(parents=True)
        self.scripts.mkdir()
        self.python = self.scripts / "python.exe"
        self.python.write_bytes(PE)
        (self.scripts / "pythonw.exe").write_bytes(PE + b"w")
        (prefix / "pyvenv.cfg").write_text("home = C:\\Python311\nversion = 3.11.9\n")

    def install(self, wheel: Path, *, installer: str = "pip") -> Path:
        """Install as pip does on Windows: each launcher is a program, and RECORD has its digest."""
        info = super().install(wheel, installer=installer)
        record = info / "RECORD"
        rows = [row for row in record.read_text().splitlines(keepends=True) if "-run," not in row]
        for plain in self.scripts.glob("*-run"):
            plain.unlink()
            program = PE + b"#!C:\\venv\\Scripts\\python.exe\r\nPK"
            plain.with_suffix(".exe").write_bytes(program)
            rows.append(record_line(f"../../Scripts/{plain.name}.exe", program))
        record.write_text("".join(rows))
        return info


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    files = {
        "demo/__init__.py": b"value = 1\n",
        "demo/native.cp311-win_amd64.pyd": b"MZ" + bytes(range(256)),
        "demo-1.0.dist-info/entry_points.txt": b"[console_scripts]\ndemo-run = demo:main\n",
    }
    return make_wheel(tmp_path, files=files)


def test_tree_of_windows(tmp_path: Path, wheel: Path) -> None:
    """Packages are proven, drift is told, and the version is what pyvenv.cfg says."""
    venv, lock = Windows(tmp_path / "venv"), lock_for(wheel, "windows/amd64")
    venv.install(wheel)
    verdict = venv.verify(lock)
    assert (verdict.exit_code, verdict.findings) == (0, ())
    assert (verdict.summary.packages, verdict.summary.python) == (1, "3.11.9")
    (venv.site / "demo/native.cp311-win_amd64.pyd").write_bytes(b"MZ")
    (venv.scripts / "demo-run.exe").write_bytes(PE)
    (venv.site / "demo.pyd").write_bytes(b"MZ")
    verdict = venv.verify(lock)
    assert (verdict.exit_code, set(rules_of(verdict))) == (4, {"file-tampered", "module-shadowed"})


def test_launcher_of_windows_is_held_against_record(tmp_path: Path, wheel: Path) -> None:
    """Its bytes are the installer's; RECORD has their digest."""
    venv = Windows(tmp_path / "venv")
    venv.install(wheel)
    (venv.scripts / "demo-run.exe").write_bytes(PE)
    verdict = venv.verify(lock_for(wheel, "windows/amd64"))
    assert (verdict.exit_code, rules_of(verdict)) == (4, ["record-contradiction"])


def test_other_version_and_platform_are_drift(tmp_path: Path, wheel: Path) -> None:
    """What pyvenv.cfg says is held against the lock, and so is the format of the program."""
    venv = Windows(tmp_path / "venv")
    venv.install(wheel)
    (venv.prefix / "pyvenv.cfg").write_text("version = 3.12.1\n")
    verdict = venv.verify(lock_for(wheel, "windows/amd64"))
    assert (verdict.exit_code, rules_of(verdict)) == (1, ["python-version"])
    verdict = venv.verify(lock_of([wheel]))
    assert finding_of(verdict, "python-platform").found == "win32/AMD64"


def test_tree_of_macos(tmp_path: Path) -> None:
    """bin/python may be the program; where it is a link that leads nowhere here, packages are proven and it is 3."""
    wheel = demo_wheel(tmp_path / "wheels")
    venv, lock = Recorded(tmp_path / "venv"), lock_for(wheel, "macos/arm64")
    venv.install(wheel)
    venv.python.write_bytes(MACH_ARM)
    assert venv.verify(lock).findings == ()
    assert finding_of(venv.verify(lock_of([wheel])), "python-platform").found == "darwin/arm64"
    venv.python.unlink()
    venv.python.symlink_to("/Library/Frameworks/Python.framework/Versions/3.11/bin/python3.11")
    verdict = venv.verify(lock)
    assert (verdict.exit_code, rules_of(verdict), verdict.summary.packages) == (3, ["target-unknown"], 1)


def test_bytecode_that_cannot_be_compiled_here_is_unknown(tmp_path: Path, wheel: Path) -> None:
    """No interpreter here makes Windows' bytecode: that is exit 3 and not a pass."""
    venv = Windows(tmp_path / "venv")
    venv.install(wheel)
    (venv.site / "demo/__pycache__").mkdir()
    (venv.site / "demo/__pycache__/__init__.cpython-311.pyc").write_bytes(bytes(40))
    verdict = venv.verify(lock_for(wheel, "windows/amd64"))
    assert (verdict.exit_code, rules_of(verdict)) == (3, ["bytecode-unproven"])


@pytest.mark.parametrize(
    ("head", "kind", "machine"),
    [
        (PE, "pe", "AMD64"),
        (MACH_ARM, "mach-o", "arm64"),
        (ELF_ARM, "elf", "aarch64"),
        (b"\xca\xfe\xba\xbe\0\0\0\2" + bytes(40), "mach-o", ""),
        (b"\xca\xfe\xba\xbe\0\0\0\x34" + bytes(40), "other", ""),
        (b"#!/bin/sh\n", "script", ""),
        (b"MZ", "other", ""),
        (b"MZ" + b"\xff" * 70, "other", ""),
        (b"\x7fELF", "elf", ""),
        (b"", "other", ""),
    ],
)
def test_formats_of_programs(head: bytes, kind: str, machine: str) -> None:
    """A program's format and processor are in its first bytes, however few there are."""
    found = recognise(head)
    assert (found.kind, found.machine) == (kind, machine)


def test_lone_interpreter_of_another_system(tmp_path: Path) -> None:
    """Without an environment around it there is nothing to see."""
    from envlock.observe.description import describe

    python = tmp_path / "python.exe"
    python.write_bytes(PE)
    with pytest.raises(UnverifiableError) as raised:
        describe(python, Recorded(tmp_path / "venv"))
    assert raised.value.reference == "interpreter-foreign"
