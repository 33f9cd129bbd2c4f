"""The line of a .pth file by which setuptools makes a namespace package, in the forms that its releases give it."""

from __future__ import annotations

import ast
import re

_NAMESPACE = re.compile(
    r"import sys, types, os;(?:(?:pep420|has_mfs) = [^;]*;)?"
    r"p = os\.path\.join\((?P<root>sys\._getframe\(1\)\.f_locals\['sitedir'\]|'[^'\n]*'|\"[^\"\n]*\"), "
    r"\*(?P<parts>\((?:'\w+',? ?)+\))\);.*"
)
_SITE = "sys._getframe(1).f_locals['sitedir']"
_ADDED = "mp = (m or []) and m.__dict__.setdefault('__path__',[]);(p not in mp) and mp.append(p)"
_BY_PATH = (
    "sys.modules.setdefault({name}, importlib.util.module_from_spec("
    "importlib.machinery.PathFinder.find_spec({name}, [os.path.dirname(p)])))"
)
_EMPTY = "sys.modules.setdefault({name}, types.ModuleType({name}))"
_MFS = (
    "has_mfs = sys.version_info > (3, 5);{path};importlib = has_mfs and __import__('importlib.util');"
    f"has_mfs and __import__('importlib.machinery');m = has_mfs and {_BY_PATH};"
)
_NAMESPACE_LINES = (
    (
        f"{{path}};importlib = __import__('importlib.util');__import__('importlib.machinery');"
        f"m = {_BY_PATH};m = m or {_EMPTY};"
    ),  # setuptools 69.1 to 84
    f"{_MFS}m = m or {_EMPTY};",  # 34.3 to 69.0
    f"{_MFS}m = m or not has_mfs and {_EMPTY};",  # 31 to 34.2
    (
        "pep420 = sys.version_info > (3, 3);{path};ie = os.path.exists(os.path.join(p,'__init__.py'));"
        f"m = not ie and not pep420 and {_EMPTY};"
    ),  # 28.1 to 30
    f"{{path}};ie = os.path.exists(os.path.join(p,'__init__.py'));m = not ie and {_EMPTY};",  # 5 to 28.0
)
"""What lies between the imports and what all have in common (setuptools/namespaces.py)."""


def namespace_of(line: str) -> tuple[str, str] | None:
    """Return (name, folder) of a line that makes a namespace package, as setuptools writes it (*-nspkg.pth).

    The folder, in which that of the package is, is empty where it is the one of the .pth file. None for other lines.
    """
    match = _NAMESPACE.fullmatch(line)
    if match is None:
        return None
    try:
        parts: tuple[str, ...] = ast.literal_eval(match["parts"])
        folder: str = "" if match["root"] == _SITE else ast.literal_eval(match["root"])
    except (ValueError, SyntaxError):
        return None
    name = ".".join(parts)
    path = f"p = os.path.join({match['root']}, *{parts!r})"
    parent = ".".join(parts[:-1])
    last = f";m and setattr(sys.modules[{parent!r}], {parts[-1]!r}, m)" if parent else ""
    known = {
        f"import sys, types, os;{text.format(path=path, name=repr(name))}{_ADDED}{last}" for text in _NAMESPACE_LINES
    }
    return (name, folder) if line in known else None
