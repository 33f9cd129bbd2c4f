"""The script of the GitHub Action with inputs that nobody should write, before an `envlock` that notes what it gets."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools/ci/verify.sh"
FAKE = """#!{python}
import json, sys
with open("calls", "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
for word in sys.argv[1:]:
    if word.startswith("json:") and "--help" not in sys.argv:
        with open(word[5:], "w") as file:
            file.write('{{"verdict": "match"}}')
"""
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="the runners have a bash")


def run(folder: Path, **inputs: str) -> tuple[int, list[list[str]], str]:
    """Return exit status, what envlock was called with, and the outputs."""
    programs = folder / "programs"
    programs.mkdir()
    (programs / "envlock").write_text(FAKE.format(python=sys.executable))
    (programs / "envlock").chmod(0o755)
    variables = {f"INPUT_{name.upper()}": value for name, value in inputs.items()}
    variables |= {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "GITHUB_OUTPUT": str(folder / "output")}
    done = subprocess.run(["bash", str(SCRIPT)], cwd=folder, env=variables, check=False, capture_output=True)
    calls = [json.loads(line) for line in (folder / "calls").read_text().splitlines()]
    return done.returncode, calls, (folder / "output").read_text()


def test_words_of_several_lines(tmp_path: Path) -> None:
    """YAML may break the arguments into lines: none is dropped, and nothing of them is run or expanded."""
    (tmp_path / "file").touch()
    code, calls, output = run(
        tmp_path, env="demo", args="--full\n--strict\n$(touch evil) `touch evil` ; * \n", output="a.json\nb.html"
    )
    verify = calls[-1]
    assert (code, output) == (0, "exit-code=0\nverdict=match\n")
    assert verify[:10] == ["verify", "--full", "--strict", "$(touch", "evil)", "`touch", "evil`", ";", "*", "--format"]
    assert [verify[at + 1] for at, word in enumerate(verify) if word == "--output"][2:] == ["a.json", "b.html"]
    assert verify[-2:] == ["--", "demo"]
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("inputs", [{"env": "--help"}, {"args": "--help"}])
def test_help_is_no_verdict(tmp_path: Path, inputs: dict[str, str]) -> None:
    """An option in the place of the environment is none, and what judges nothing does not pass."""
    code, calls, _ = run(tmp_path, sync="false", **inputs)
    assert code == 2
    assert all("--help" not in call or "env" not in inputs or call[-2:] == ["--", "--help"] for call in calls)


def test_modules_of_the_project_are_not_run(tmp_path: Path) -> None:
    """The folder that is judged may hold a json.py of its own."""
    (tmp_path / "json.py").write_text("open('evil', 'w')\n")
    code, _, output = run(tmp_path)
    assert (code, output) == (0, "exit-code=0\nverdict=match\n")
    assert not (tmp_path / "evil").exists()
