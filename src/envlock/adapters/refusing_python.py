"""An interpreter that answers uv's questions about itself and runs no build backend."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from pathlib import Path

from envlock.adapters.cache import Cache

REFUSED = 97
"""The exit status of an interpreter that was to run anything but uv's own question."""
_HOOK = f"import os, sys; sys.flags.isolated or os._exit({REFUSED})\n"
# A .pth file is read before the first line of any program (`site`), the working directory not yet on sys.path.
# uv asks an interpreter about itself with -I, and never calls a hook of a build backend (PEP 517) that way.
_NAME = "refuse.pth"


def refusing_python(cache: Cache | None = None) -> Path:
    """Return the interpreter of a virtual environment where every program that is not run with -I ends at once.

    Given to uv by --python with --no-build-isolation, no code of a source distribution runs on this machine: not its
    setup.py, not a backend in its own tree (`backend-path`). The environment is kept in the cache, and made again where
    it is not as it should be.
    """
    own = f"{sys.version}\0{sys.base_prefix}\0{getattr(sys, '_base_executable', sys.executable)}\0{_HOOK}"
    key = hashlib.sha256(own.encode()).hexdigest()
    cache = cache or Cache()
    folder = cache.folder("resolver") / key[:16]
    with cache.lock(f"resolver-{key}"):
        if not _is_whole(folder):
            shutil.rmtree(folder, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".venv-") as scratch:
                _make(Path(scratch, "venv")).rename(folder)
    return _interpreter(folder)


def _make(folder: Path) -> Path:
    from venv import EnvBuilder

    EnvBuilder(with_pip=False, symlinks=sys.platform != "win32").create(folder)
    for packages in _site_packages(folder):
        (packages / _NAME).write_text(_HOOK, "ascii")
    return folder


def _is_whole(folder: Path) -> bool:
    hooks = [packages / _NAME for packages in _site_packages(folder)]
    return (
        bool(hooks)
        and all(hook.is_file() and hook.read_text("ascii", "replace") == _HOOK for hook in hooks)
        and _interpreter(folder).exists()
    )


def _site_packages(folder: Path) -> list[Path]:
    pattern = "Lib/site-packages" if sys.platform == "win32" else "lib/python3.*/site-packages"
    return sorted(folder.glob(pattern))


def _interpreter(folder: Path) -> Path:
    return folder / "Scripts" / "python.exe" if sys.platform == "win32" else folder / "bin" / "python"
