"""What envlock keeps in a project for this machine alone: .envlock/, which git is told to ignore."""

from __future__ import annotations

import contextlib
from pathlib import Path


def own_folder(project: Path) -> Path:
    """Return the folder, made if it can be; where it cannot, whatever is written there says why."""
    folder = project / ".envlock"
    ignore = folder / ".gitignore"
    with contextlib.suppress(OSError):
        folder.mkdir(exist_ok=True)
        if not ignore.exists():
            ignore.write_text("*\n", "utf-8")
    return folder
