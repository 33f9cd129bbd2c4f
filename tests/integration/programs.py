"""Programs of Debian that tests drive: there, or the test is skipped; in CI there they must be."""

from __future__ import annotations

import os
import shutil

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
