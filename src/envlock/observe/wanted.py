"""Which files of an environment are read, hashed or kept: what no rule looks at is left alone."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

import msgspec

from envlock.formats.dist_info import READ
from envlock.model.observation import Distribution, File, Layout
from envlock.observe.distributions import recorded_sizes
from envlock.observe.interpreter import is_python_name
from envlock.observe.reading import CONTENT_LIMIT, Keep

_METADATA = ("/pyvenv.cfg", ".pth", ".start", ".egg-link", ".egg-info")


def keeper(sites: Iterable[str], scripts: str) -> Keep:
    """Return the choice of files whose content rules read."""
    roots = frozenset(sites)

    def keep(path: str, start: bytes) -> bool:
        folder, _, name = path.rpartition("/")
        if name.endswith(".pyc"):
            return True
        if name == "pyvenv.cfg":
            return True
        if name in READ:
            return folder.endswith((".dist-info", ".egg-info"))
        if folder == scripts:
            return start == b"#!"
        return (_runs_at_start(name) or name == "_virtualenv.py") and folder in roots

    return keep


def is_metadata(path: str, layout: Layout) -> bool:
    """Tell whether even --quick reads a file."""
    if not (path.endswith(_METADATA) or "-info/" in path or "_editable" in path):
        return False  # nearly all of them
    folder, name = posixpath.split(path)
    if name in READ:
        return folder.endswith((".dist-info", ".egg-info"))
    return name == "pyvenv.cfg" or (_runs_at_start(name) and folder in layout.sites)


def _runs_at_start(name: str) -> bool:
    """Tell whether a file right below a site says what runs at every start, or what is installed for development."""
    return name.endswith((".pth", ".start", ".egg-link", ".egg-info")) or ("_editable" in name and name.endswith(".py"))


def is_interpreter(path: str, layout: Layout) -> bool:
    """Tell whether a path is the interpreter, by one of its names: a link to it has the bytes of another folder."""
    folder, _, name = path.rpartition("/")
    return folder == layout.scripts and is_python_name(name)


def worth_hashing(paths: list[str], files: dict[str, File], distributions: Iterable[Distribution]) -> list[str]:
    """Leave out huge files whose digest no rule needs: those of nobody, and those that RECORD gives another size.

    A sparse file of a terabyte must not stop a verification.
    """
    huge = [path for path in paths if files[path].size > CONTENT_LIMIT]
    if not huge:
        return paths
    sizes = recorded_sizes(distributions, files, huge)
    left_out = set()
    for path in huge:
        size = sizes.get(path, -1)
        if size is not None and size != files[path].size:
            left_out.add(path)
            if size >= 0:
                problem = f"it has {files[path].size} bytes, RECORD says {size}"
                files[path] = msgspec.structs.replace(files[path], problem=problem)
    return [path for path in paths if path not in left_out]
