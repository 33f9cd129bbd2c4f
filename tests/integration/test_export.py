"""What `envlock export` writes is installed by an old pip on a Python that has no newer one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.project import Project

pytestmark = pytest.mark.network

MANIFEST = """\
[env.old]
python = "3.9"
dependencies = ["wrapt==1.12.1", "requests==2.25.1", "colorama ; sys_platform == 'win32'"]
as-of = "2021-05-15"
urls = "omit"

[env.old.image]
base = "debian-bullseye-python3.9"
"""


def python39() -> Path:
    """Return a CPython 3.9, pyenv's for want of one on PATH."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = sorted(root.glob("versions/3.9.*/bin/python3.9"))
    path = str(found[-1]) if found else shutil.which("python3.9")
    if path is None:
        pytest.skip("there is no CPython 3.9 here")
    return Path(path)


def test_pip_21_installs_it(tmp_path: Path) -> None:
    """Hashes are demanded of every file, the wheel built from source included; what is installed then matches."""
    project = Project(tmp_path / "project", MANIFEST, cache=tmp_path / "cache")
    project.ok("lock")
    note = project.ok("export", "--format", "requirements", "-o", "ci/requirements.txt")
    assert "wrapt" not in note.err or "envlock fetch old" in note.err
    project.ok("fetch")
    venv = tmp_path / "venv"
    subprocess.run([python39(), "-m", "venv", venv], check=True)

    def pip(*arguments: str) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if k != "PIP_FIND_LINKS"}
        command = [str(venv / "bin/python"), "-m", "pip", "--disable-pip-version-check", *arguments]
        return subprocess.run(command, env=kept, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert pip("install", "--quiet", "pip==21.3.1").returncode == 0
    requirements = project.folder / "ci/requirements.txt"
    done = pip("install", "--no-deps", "--require-hashes", "-r", str(requirements))
    assert done.returncode == 0, done.stderr
    result = project.run("verify", "--full", "--json", "--python", str(venv))
    assert {finding["rule"] for finding in result.json["findings"]} <= {"python-patch", "package-source"}
    assert result.code == 0
    text = requirements.read_text("utf-8")
    start = text.index("--hash=sha256:") + len("--hash=sha256:")
    requirements.write_text(text[:start] + "0" * 64 + text[start + 64 :], "utf-8")
    refused = pip("install", "--force-reinstall", "--no-deps", "--require-hashes", "-r", str(requirements))
    assert "DO NOT MATCH THE HASHES" in refused.stderr


def test_dockerfile_needs_what_can_be_pulled(built: Project) -> None:
    """A base of Debian packages is an error that says what to do instead."""
    result = built.run("export", "--format", "dockerfile")
    assert (result.code, "[no-repository]" in result.err) == (2, True)
