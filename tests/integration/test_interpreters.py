"""What runs inside a target, in every CPython that this machine has: it stays one script for 3.6 and newer."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from envlock.adapters.interpreter import TargetPython
from envlock.model.observation import Interpreter
from envlock.observe.description import describe


def installed() -> list[Path]:
    """Return a CPython of each feature version that is there: pyenv's, or one of PATH that runs."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found: dict[int, Path] = {}
    for minor in range(6, 16):
        on_path = shutil.which(f"python3.{minor}")
        for path in (*sorted(pyenv.glob(f"3.{minor}.*/bin/python3.{minor}")), Path(on_path or os.devnull)):
            if path.is_file() and subprocess.run([path, "-I", "-S", "-c", ""], check=False).returncode == 0:
                found.setdefault(minor, path)
    return list(found.values())


@pytest.mark.parametrize("python", installed(), ids=lambda path: path.name)
def test_every_python_describes_itself_and_compares_bytecode(python: Path, tmp_path: Path) -> None:
    """Its own files confirm what it says, in a venv of copies too, and what it compiled is what it would compile."""
    found = describe(python, TargetPython())
    assert isinstance(found.about, Interpreter)
    assert found.about.contradictions == ()
    assert found.stdlib
    subprocess.run([python, "-I", "-m", "venv", "--without-pip", "--copies", tmp_path / "venv"], check=True)
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    copied = describe(tmp_path / "venv/bin/python", TargetPython())
    assert isinstance(copied.about, Interpreter)
    assert (copied.about.contradictions, copied.answer.sites[0]) == ((), str(site))
    assert copied.stdlib == found.stdlib
    (site / "module.py").write_text("def f(x, *y, z=frozenset({1.0, -0.0})):\n    return [x in z for x in y]\n")
    subprocess.run([copied.python, "-I", "-m", "compileall", "-q", site], check=True)
    (pyc,) = site.glob("__pycache__/*.pyc")
    script = (files("envlock") / "data/in_target/bytecode.py").read_bytes()
    pairs = f"PAIRS = {[(str(pyc), str(site / 'module.py'))]!a}\n".encode()
    assert TargetPython().ask(copied.python, pairs + script).split() == [b"ready", b"0", b"same"]
