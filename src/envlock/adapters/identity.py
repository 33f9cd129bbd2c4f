"""What this machine and its user are called, so that no report says it."""

from __future__ import annotations

import contextlib
import getpass
import os
import platform
from pathlib import Path


def private_names() -> tuple[str, ...]:
    """Return the names of this machine and of its user, sorted."""
    host = platform.node()
    found = {host, host.partition(".")[0], os.environ.get("SUDO_USER", ""), os.environ.get("COMPUTERNAME", "")}
    with contextlib.suppress(OSError, KeyError, RuntimeError, ImportError):  # a container's user need not have a name
        found |= {getpass.getuser(), Path.home().name}
    return tuple(sorted(found - {""}, key=lambda name: (-len(name), name)))
