"""Where bytecode stands in relation to its source (PEP 3147)."""

from __future__ import annotations

import posixpath
import re

_CACHED = re.compile(r"(?P<module>[^/]+?)\.(cpython-\d+|pypy[\d-]+|graalpy[\d-]+)(\.opt-[12])?\.pyc")


def source_of(pyc: str) -> str:
    """Return the path of the source that a .pyc stands for, in __pycache__ or beside it."""
    folder, name = posixpath.split(pyc)
    if posixpath.basename(folder) == "__pycache__":
        match = _CACHED.fullmatch(name)
        return posixpath.join(posixpath.dirname(folder), (match["module"] if match else name[:-4]) + ".py")
    return pyc[:-1]
