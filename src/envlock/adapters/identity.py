"""What this machine and its user are called, and what is secret here, so that no report says it."""

from __future__ import annotations

import contextlib
import getpass
import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path

_SECRET = re.compile(r"TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|AUTH|(^|_)(KEY|PWD|PASS)(_|$)|APIKEY", re.IGNORECASE)
_SHORTEST = 6
"""Of values that are taken out of texts: shorter ones are words and numbers, and no secret for long."""


def private_names() -> tuple[str, ...]:
    """Return the names of this machine and of its user, sorted."""
    host = platform.node()
    found = {host, host.partition(".")[0], os.environ.get("SUDO_USER", ""), os.environ.get("COMPUTERNAME", "")}
    with contextlib.suppress(OSError, KeyError, RuntimeError, ImportError):  # a container's user need not have a name
        found |= {getpass.getuser(), Path.home().name}
    return tuple(sorted(found - {""}, key=lambda name: (-len(name), name)))


def secret_values(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values of variables that are named as secrets are, the longest first; folders are none."""
    found = {value for name, value in environ.items() if _SECRET.search(name) and name not in ("PWD", "OLDPWD")}
    return tuple(sorted((each for each in found if len(each) >= _SHORTEST), key=lambda value: (-len(value), value)))
