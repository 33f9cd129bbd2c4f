"""What an installed wheel is: paths, scripts, RECORD, conflicts, the empty virtual environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from envlock.errors import IntegrityError, UsageError
from envlock.formats.wheel import open_wheel
from envlock.image.install import (
    InstalledFile,
    Owned,
    check_conflicts,
    installed_files,
    sources,
    venv_skeleton,
    with_parents,
)
from tests.unit.wheels import make_wheel, record_line

SITE = "opt/venv/lib/python3.9/site-packages"
SCRIPT = b"#!python -E\nprint('hello')\n"
SHELL = b"#!/bin/sh\nexit 0\n"
ENTRY_POINTS = b"[console_scripts]\nde,mo = demo.cli:app.main\n"
LAUNCHER = b"""\
#!/opt/venv/bin/python
# -*- coding: utf-8 -*-
import sys
from demo.cli import app
if __name__ == "__main__":
    if sys.argv[0].endswith("-script.pyw"):
        sys.argv[0] = sys.argv[0][:-11]
    elif sys.argv[0].endswith(".exe"):
        sys.argv[0] = sys.argv[0][:-4]
    sys.exit(app.main())
"""


def install(path: Path) -> dict[str, InstalledFile]:
    with open_wheel(path) as wheel:
        files = installed_files(wheel, "3.9")
    assert [file.path for file in files] == sorted((file.path for file in files), key=str.encode)
    return {file.path: file for file in files}


def test_every_scheme_has_its_place_and_record_is_final(tmp_path: Path) -> None:
    """Modes, shebangs, launchers, INSTALLER, and RECORD to the last byte."""
    wheel = make_wheel(
        tmp_path,
        files={
            "demo/__init__.py": b"",
            "demo/tool": b"#!/bin/sh\n",
            "demo-1.0.data/platlib/demo/native.so": b"\x7fELF",
            "demo-1.0.data/scripts/run": SCRIPT,
            "demo-1.0.data/scripts/shell": SHELL,
            "demo-1.0.data/data/share/man/demo.1": b".TH",
            "demo-1.0.data/data/lib64/xy": b"z",
            "demo-1.0.data/headers/demo.h": b"#pragma once",
            "demo-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n",
            "demo-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\n",
            "demo-1.0.dist-info/INSTALLER": b"someone",
            "demo-1.0.dist-info/REQUESTED": b"",
            "demo-1.0.dist-info/direct_url.json": b"{}",
            "demo-1.0.dist-info/entry_points.txt": ENTRY_POINTS,
        },
        executable=frozenset({"demo/tool"}),
    )
    files = install(wheel)
    assert {path: file.tar_entry.mode for path, file in files.items()} == {
        "opt/venv/bin/de,mo": 0o755,
        "opt/venv/bin/run": 0o755,
        "opt/venv/bin/shell": 0o755,
        "opt/venv/include/site/python3.9/demo/demo.h": 0o644,
        "opt/venv/lib/xy": 0o644,
        f"{SITE}/demo-1.0.dist-info/INSTALLER": 0o644,
        f"{SITE}/demo-1.0.dist-info/METADATA": 0o644,
        f"{SITE}/demo-1.0.dist-info/RECORD": 0o644,
        f"{SITE}/demo-1.0.dist-info/WHEEL": 0o644,
        f"{SITE}/demo-1.0.dist-info/entry_points.txt": 0o644,
        f"{SITE}/demo/__init__.py": 0o644,
        f"{SITE}/demo/native.so": 0o644,
        f"{SITE}/demo/tool": 0o755,
        "opt/venv/share/man/demo.1": 0o644,
    }
    run = b"#!/opt/venv/bin/python -E\nprint('hello')\n"
    assert files["opt/venv/bin/run"].text == run
    assert files["opt/venv/bin/de,mo"].text == LAUNCHER
    assert files["opt/venv/bin/shell"].entry is not None
    rows = {
        '"../../../bin/de,mo"': LAUNCHER,
        "../../../bin/run": run,
        "../../../bin/shell": SHELL,
        "../../../include/site/python3.9/demo/demo.h": b"#pragma once",
        "../../xy": b"z",
        "../../../share/man/demo.1": b".TH",
        "demo-1.0.dist-info/INSTALLER": b"envlock\n",
        "demo-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n",
        "demo-1.0.dist-info/RECORD": None,
        "demo-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\n",
        "demo-1.0.dist-info/entry_points.txt": ENTRY_POINTS,
        "demo/__init__.py": b"",
        "demo/native.so": b"\x7fELF",
        "demo/tool": b"#!/bin/sh\n",
    }
    expected = [f"{path},,\n" if body is None else record_line(path, body) for path, body in rows.items()]
    lines = sorted(expected, key=lambda line: line.lstrip('"').encode())
    assert files[f"{SITE}/demo-1.0.dist-info/RECORD"].text.decode() == "".join(lines)
    assert [file.path for file in sources(files.values(), "3.9")] == [f"{SITE}/demo/__init__.py"]


def test_our_launcher_is_one_that_installers_write() -> None:
    """So that verify judges a virtual environment and an image by the same texts."""
    from envlock.formats.dist_info import EntryPointScript
    from envlock.formats.launcher import launchers

    script = EntryPointScript(name="demo", module="demo.cli", attr="app.main")
    assert LAUNCHER.removeprefix(b"#!/opt/venv/bin/python\n") in set(launchers(script))


@pytest.mark.parametrize("target", ["demo.cli:main; import os", "demo.cli:1", "demo cli:main", "demo.cli:main()"])
def test_an_entry_point_that_names_no_function_is_refused(tmp_path: Path, target: str) -> None:
    """Its text would become a program."""
    entry_points = f"[console_scripts]\nx = {target}\n".encode()
    with pytest.raises(IntegrityError) as caught:
        install(make_wheel(tmp_path, files={"demo-1.0.dist-info/entry_points.txt": entry_points}))
    assert caught.value.reference == "bad-wheel"


def test_a_wheel_that_installs_a_path_twice_is_refused(tmp_path: Path) -> None:
    """A launcher and a script of the same name."""
    wheel = make_wheel(
        tmp_path,
        files={
            "demo-1.0.dist-info/entry_points.txt": b"[console_scripts]\nrun = demo:main\n",
            "demo-1.0.data/scripts/run": SHELL,
        },
    )
    with pytest.raises(IntegrityError, match="it installs /opt/venv/bin/run twice"):
        install(wheel)


def test_folders_come_before_their_content_and_once() -> None:
    """From our prefix on: opt belongs to the base."""
    seen: set[str] = set()
    assert list(with_parents(["opt/venv/bin/x", "opt/venv/bin/y"], seen)) == ["opt/venv", "opt/venv/bin"]
    assert list(with_parents(["opt/venv/lib/z"], seen)) == ["opt/venv/lib"]


def test_the_skeleton_is_a_virtual_environment() -> None:
    """As venv makes it, with the base's interpreter."""
    entries = venv_skeleton("3.9.2", "/usr/bin/python3.9")
    assert [(entry.path, entry.kind, entry.link) for entry, _ in entries] == [
        ("opt/venv", "dir", ""),
        ("opt/venv/bin", "dir", ""),
        ("opt/venv/bin/python", "symlink", "/usr/bin/python3.9"),
        ("opt/venv/bin/python3", "symlink", "python"),
        ("opt/venv/bin/python3.9", "symlink", "python"),
        ("opt/venv/include", "dir", ""),
        ("opt/venv/lib", "dir", ""),
        ("opt/venv/lib/python3.9", "dir", ""),
        ("opt/venv/lib/python3.9/site-packages", "dir", ""),
        ("opt/venv/lib64", "symlink", "lib"),
        ("opt/venv/pyvenv.cfg", "file", ""),
    ]
    assert entries[-1][1] == b"home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.9.2\n"


def owned(path: str, owner: str, sha256: str = "a") -> Owned:
    return Owned(path=path, owner=owner, sha256=sha256)


def test_the_same_bytes_in_several_wheels_are_fine() -> None:
    """Namespace packages bring the same __init__.py."""
    check_conflicts([owned("opt/venv/x/__init__.py", "a.whl"), owned("opt/venv/x/__init__.py", "b.whl")])


@pytest.mark.parametrize(
    ("files", "where"),
    [
        (
            [owned("opt/venv/x", "a.whl"), owned("opt/venv/x", "b.whl", "b"), owned("opt/venv/y", "b.whl")],
            "/opt/venv/x: a.whl, b.whl",
        ),
        ([owned("opt/venv/x/y", "a.whl"), owned("opt/venv/x", "b.whl")], "/opt/venv/x: b.whl, a.whl"),
        (
            [owned("opt/venv/lib64", "the environment", ""), owned("opt/venv/lib64", "b.whl")],
            "/opt/venv/lib64: the environment, b.whl",
        ),
        (
            [owned("opt/venv/lib64", "the environment", ""), owned("opt/venv/lib64/x", "b.whl")],
            "/opt/venv/lib64: the environment, b.whl",
        ),
    ],
)
def test_other_bytes_for_the_same_path_are_a_conflict_that_names_both(files: list[Owned], where: str) -> None:
    """Two wheels, a file and a folder, a wheel and the virtual environment itself."""
    with pytest.raises(UsageError) as caught:
        check_conflicts(files)
    assert (caught.value.reference, caught.value.where) == ("file-conflict", where)
