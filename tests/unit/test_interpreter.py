"""What is run in a target's Python: the scripts themselves, and the edge that runs them."""

from __future__ import annotations

import json
import os
import py_compile
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import pytest

from envlock.adapters.interpreter import TargetPython
from envlock.errors import UnverifiableError


def script(name: str) -> bytes:
    return (files("envlock") / "data/in_target" / name).read_bytes()


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    """A program in the place of python."""
    path = tmp_path / "python"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_describe_sees_a_venv_without_site(tmp_path: Path) -> None:
    """Run with -S, it still finds the venv's own folders."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    answer = json.loads(TargetPython().ask(tmp_path / "venv/bin/python", script("describe.py")))
    feature = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    assert answer["version"] == sys.version.split()[0]
    assert set(answer["sites"]) == {str(tmp_path / "venv/lib" / feature / "site-packages")}
    assert answer["scripts"] == str(tmp_path / "venv/bin")
    assert answer["venv"] is True


def test_no_code_of_the_environment_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither .pth files nor sitecustomize nor PYTHON* variables reach the question."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    (site,) = (tmp_path / "venv/lib").glob("*/site-packages")
    (site / "evil.pth").write_text("import os; os._exit(9)\n")
    (site / "sitecustomize.py").write_text("import os; os._exit(9)\n")
    monkeypatch.setenv("PYTHONSTARTUP", "/nonexistent")
    monkeypatch.setenv("PYTHONHOME", "/nonexistent")
    assert json.loads(TargetPython().ask(tmp_path / "venv/bin/python", script("describe.py")))["venv"] is True


@pytest.mark.parametrize("mode", list(py_compile.PycInvalidationMode))
def test_bytecode_is_told_from_altered_bytecode(tmp_path: Path, mode: py_compile.PycInvalidationMode) -> None:
    """Every kind of .pyc is judged by what it runs: constants, names and lines, not its path or its references."""
    source = tmp_path / "module.py"
    source.write_text(
        "A = {1, 2.0, -0.0, 'x'}\nB = frozenset(('a', 'b'))\ndef f(x, *, y=1j):\n    return x in {1, 2, 3}\n"
    )
    pyc = tmp_path / "module.pyc"
    py_compile.compile(str(source), str(pyc), dfile="/elsewhere/module.py", invalidation_mode=mode)
    good = pyc.read_bytes()

    def judged() -> str:
        pairs = f"PAIRS = {[(str(pyc), str(source))]!r}\n".encode()
        ready, line = TargetPython().ask(Path(sys.executable), pairs + script("bytecode.py")).decode().splitlines()
        assert ready == "ready"
        return line.partition(" ")[2]

    assert judged() == "same"
    pyc.write_bytes(good.replace(b"\x01f", b"\x01g"))
    assert judged() == "differs"
    pyc.write_bytes(good[:-30])
    assert judged() == "differs"
    pyc.write_bytes(b"\0\0\0\0" + good[4:])
    assert judged() == "ignored"
    pyc.write_bytes(good)
    source.write_text("A = 1\n")
    unchecked = mode is py_compile.PycInvalidationMode.UNCHECKED_HASH
    assert judged() == ("differs" if unchecked else "ignored")


def test_broken_source_and_bytecode_end_in_a_verdict(tmp_path: Path) -> None:
    """What cannot be compiled, loaded or read is a verdict on that file, and the others are judged all the same."""
    (tmp_path / "a.py").write_text("def (\n")
    (tmp_path / "b.py").write_text("x = 1\n")
    header = __import__("importlib.util").util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)
    (tmp_path / "a.pyc").write_bytes(header + b"\xe3garbage")
    py_compile.compile(str(tmp_path / "b.py"), str(tmp_path / "b.pyc"))
    pairs = [(str(tmp_path / f"{n}.pyc"), str(tmp_path / f"{n}.py")) for n in ("a", "missing", "b")]
    said = TargetPython().ask(Path(sys.executable), f"PAIRS = {pairs!r}\n".encode() + script("bytecode.py"))
    assert said.decode().split("\n")[1:4] == ["0 differs", "1 unreadable FileNotFoundError", "2 same"]


def test_hanging_interpreter(fake: Path) -> None:
    """Time is limited."""
    fake.write_text("#!/bin/sh\nexec sleep 60\n")
    with pytest.raises(UnverifiableError) as raised:
        TargetPython().ask(fake, b"", timeout=0.2)
    assert raised.value.reference == "interpreter-hangs"


def test_interpreter_that_floods(fake: Path) -> None:
    """Output is limited, whether the program ever ends or not."""
    fake.write_text("#!/bin/sh\nexec cat /dev/zero\n")
    with pytest.raises(UnverifiableError) as raised:
        TargetPython().ask(fake, b"")
    assert raised.value.reference == "interpreter-floods"


@pytest.mark.parametrize("ending", ["echo answer", "exec sleep 60"], ids=["answers", "hangs"])
def test_what_an_interpreter_starts_ends_with_it(fake: Path, tmp_path: Path, ending: str) -> None:
    """A child that it leaves behind neither keeps envlock waiting nor lives on."""
    fake.write_text(f"#!/bin/sh\nsleep 60 &\necho $! > {tmp_path}/child\n{ending}\n")
    if ending == "echo answer":
        assert TargetPython().ask(fake, b"") == b"answer\n"
    else:
        with pytest.raises(UnverifiableError):
            TargetPython().ask(fake, b"", timeout=0.5)
    child = int((tmp_path / "child").read_text())
    for _ in range(200):
        try:
            state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            break
        if state == "Z":
            break  # nobody has taken its status yet
        time.sleep(0.01)
    else:
        pytest.fail("it is still running")


def test_failing_interpreter(fake: Path, tmp_path: Path) -> None:
    """The last line that it said is kept."""
    fake.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    with pytest.raises(UnverifiableError) as raised:
        TargetPython().ask(fake, b"x" * (1 << 20))
    assert (raised.value.reference, raised.value.found) == ("interpreter-failed", "broken")
    with pytest.raises(UnverifiableError):
        TargetPython().ask(tmp_path / "nothing", b"")


def test_environment_is_scrubbed(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of uv, pip, Python or conda reaches the child."""
    for name in ("PYTHONPATH", "UV_PYTHON", "PIP_TARGET", "CONDA_PREFIX", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, "/x")
    fake.write_text("#!/bin/sh\nenv\n")
    said = TargetPython().ask(fake, b"").decode()
    assert not {line.split("=")[0] for line in said.splitlines()} & {
        "PYTHONPATH",
        "UV_PYTHON",
        "PIP_TARGET",
        "VIRTUAL_ENV",
    }
    assert os.environ["PATH"] in said
