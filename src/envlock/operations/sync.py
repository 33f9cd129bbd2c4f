"""`envlock sync`: a local virtual environment from the lock."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from envlock.errors import UsageError
from envlock.formats.pylock import wheels_of
from envlock.model.edges import Installer
from envlock.model.lock import Lock
from envlock.model.platform import Platform
from envlock.operations.edges import Edges
from envlock.operations.wheels import Wheels


def sync_environment(
    lock: Lock,
    platform: Platform,
    venv: Path,
    *,
    folder: Path,
    python: str | None,
    installer: Installer,
    edges: Edges,
) -> int:
    """Make `venv` hold exactly the lock's wheels and return how many there are; `folder` is the lock file's.
    `python` is an interpreter's path, or None to find one of the locked version.

    Only a folder that is a virtual environment, is empty or does not exist is touched.
    """
    if venv.exists() and any(venv.iterdir()) and not (venv / "pyvenv.cfg").is_file():
        raise UsageError(
            "not-a-venv",
            "The folder is not a virtual environment, and nothing in it was touched.",
            where=str(venv),
            hint="Choose another folder with --venv.",
        )
    found = Wheels(lock, platform, folder=folder, edges=edges).all()
    pins = []
    with tempfile.TemporaryDirectory(prefix="envlock-") as name:
        wheels = Path(name)
        for package, wheel in wheels_of(lock, platform):
            _link(found[wheel.sha256], wheels / wheel.name)
            pins.append(f"{package.name}=={package.version} --hash=sha256:{wheel.sha256}")
        with edges.progress.task(f"Installing {len(pins)} wheels"):
            installer.make_venv(venv, python or lock.python)
            installer.install(venv, pins, wheels)
    return len(pins)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
