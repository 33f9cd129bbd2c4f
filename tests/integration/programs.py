"""Programs of Debian that tests drive: there, or the test is skipped; in CI there they must be."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def need(*programs: str, root: bool = False) -> None:
    """Skip the test where a program or root's rights are missing; fail it in CI."""
    missing = [name for name in programs if shutil.which(name) is None]
    reason = f"{', '.join(missing)} not installed (make system)" if missing else ""
    if root and os.geteuid() != 0:
        reason = f"{', '.join(programs)} needs root"
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


def python_of(version: str) -> str:
    """Return a CPython of this machine of a feature version such as 3.9; the test is skipped where there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/python{version}"))]
    found += [path] if (path := shutil.which(f"python{version}")) else []
    for path in found:
        if subprocess.run([path, "-c", "import ssl"], capture_output=True, check=False).returncode == 0:
            return path
    pytest.skip(f"no CPython {version} here")
