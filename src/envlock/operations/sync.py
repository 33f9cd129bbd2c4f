"""`envlock sync`: a local virtual environment from the lock."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from envlock.errors import UsageError
from envlock.formats.beside import write_beside
from envlock.formats.pylock import wheels_of
from envlock.formats.wheel import open_wheel
from envlock.model.edges import Installer
from envlock.model.lock import Lock
from envlock.model.platform import Platform
from envlock.operations import local_venv
from envlock.operations.conflicts import refuse_conflicts
from envlock.operations.edges import Edges
from envlock.operations.records import records_at_hand
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
    reinstall: bool = False,
) -> int:
    """Make `venv` hold exactly the lock's wheels and return how many there are; `folder` is the lock file's.

    `python` is an interpreter's path, or None to find one of the locked version. `reinstall` puts every file back,
    whatever was done to it, and makes an environment of another Python anew. So does, of itself, a sync that follows
    an interrupted one or finds another build of a locked version. Of several at once, each waits for its predecessor.

    Only a folder that is a virtual environment, is empty or does not exist is touched. Raises UsageError (`not-a-venv`,
    `other-python`, `no-interpreter`, `install-failed`, `file-conflict`), and what fetching wheels raises.
    """
    with edges.artifacts.lock(f"venv-{hashlib.sha256(os.fsencode(venv.resolve())).hexdigest()}"):
        there = local_venv.exists(venv)
        if there and not reinstall:
            local_venv.check_python(venv, lock.python, lock.env)
        if python is not None:
            _check_interpreter(python, lock.python, installer)
        found = Wheels(lock, platform, folder=folder, edges=edges).all()
        with ExitStack() as files:
            wheel_files = (
                files.enter_context(open_wheel(found[wheel.sha256], wheel.name))
                for _, wheel in wheels_of(lock, platform)
            )
            refuse_conflicts(wheel_files, lock.python)
        mark = local_venv.unfinished_mark(venv)
        pins = []
        with tempfile.TemporaryDirectory(prefix="envlock-") as name:
            wheels = Path(name)
            for package, wheel in wheels_of(lock, platform):
                _link(found[wheel.sha256], wheels / wheel.name)
                pins.append(f"{package.name}=={package.version} --hash=sha256:{wheel.sha256}")
            with edges.progress.task(f"Installing {len(pins)} wheels"):
                if there and local_venv.feature_of(venv) not in ("", lock.python):
                    shutil.rmtree(venv.resolve())
                    there = False
                if there:
                    locked = {package.name for package, _ in wheels_of(lock, platform)}
                    reinstall = (
                        reinstall
                        or mark.exists()
                        or not locked.isdisjoint(local_venv.foreign_origins(venv))
                        or bool(local_venv.other_builds(venv, lock, platform, records_at_hand(folder, edges.artifacts)))
                    )
                installer.make_venv(venv, python or lock.python)
                mark.touch()
                installer.install(venv, pins, wheels, reinstall=reinstall)
        for site in local_venv.sites_of(venv):
            for stamp in site.glob("*.dist-info/uv_cache.json"):
                _forget(stamp)
        mark.unlink()
        return len(pins)


def _check_interpreter(python: str, wanted: str, installer: Installer) -> None:
    """Raise UsageError (`other-python`) for an interpreter that the lock's wheels are not for, before anything is made.

    uv says what it is: a command, a version or a path may be meant.
    """
    with tempfile.TemporaryDirectory(prefix="envlock-") as name:
        trial = Path(name) / "venv"
        installer.make_venv(trial, python)
        found = local_venv.feature_of(trial)
    if found != wanted:
        raise UsageError(
            "other-python",
            "The lock is for another Python than --python names, and nothing was touched.",
            where=f"--python {python}",
            expected=f"Python {wanted}",
            found=f"Python {found}",
            hint="Leave --python out: one is found by its version.",
        )


def _forget(stamp: Path) -> None:
    """Remove uv_cache.json and its row: a time of this machine, the one thing there that no digest could vouch for."""
    record = stamp.with_name("RECORD")
    own = f"{stamp.parent.name}/{stamp.name},".encode()
    rows = record.read_bytes().splitlines(keepends=True)
    write_beside(record, b"".join(row for row in rows if not row.startswith(own)))
    stamp.unlink()


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
