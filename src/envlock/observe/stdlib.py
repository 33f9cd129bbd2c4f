"""Holds a standard library against whoever vouches for it: dpkg's lists or conda's; a lock knows nothing of it.

A virtual environment borrows interpreter and standard library from the machine. They stand before site-packages on
sys.path, so that a module put there is found before a locked package of its name.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from envlock.model import records
from envlock.model.observation import Stdlib
from envlock.observe.conda import LinkedPaths

_DPKG = Path("/var/lib/dpkg/info")
_CHUNK = 1 << 20
_LIMIT = 1 << 26
_APART = ("site-packages", "dist-packages", "__pycache__")
_MODULE = (".py", ".pyc", ".so", ".pyd")
_STARTED = "runs at every start, and nobody vouches for it"
"""Why a file that Python imports by itself is told."""


class _CondaRecord(msgspec.Struct, frozen=True):
    name: str
    paths_data: LinkedPaths = LinkedPaths()


def look_at_stdlib(folder: str, program: Path, *, full: bool, dpkg: Path = _DPKG) -> Stdlib | None:
    """Return what is known of a standard library; None where `folder` is empty.

    Args:
        folder: absolute, where os.py is.
        program: the interpreter itself, links followed: whoever vouches for the one vouches for the other.
        full: compare every file; else only names are looked at.
    """
    if not folder:
        return None
    modules = tuple(sorted(_top_modules(folder)))
    zipped = _archive(folder)
    altered = {zipped: "an archive that is imported from before the standard library"} if zipped else {}
    altered |= _started(folder, modules)
    if not full:
        return Stdlib(folder=folder, modules=modules, altered=altered)
    algorithm, vouched, listed = "sha256", _by_conda(Path(folder).parent.parent), frozenset[str]()
    voucher: str = "conda" if vouched else ""
    if not vouched and folder.startswith("/usr/lib"):
        algorithm, vouched, listed = "md5", _by_dpkg(dpkg), _listed(dpkg)
        voucher = "dpkg" if vouched else ""
    inside = f"{folder}/"
    wanted = {path: digest for path, digest in vouched.items() if path.startswith(inside) or path == str(program)}
    if not any(path.startswith(inside) for path in wanted):
        return Stdlib(folder=folder, modules=modules, altered=altered)
    for path, digest in sorted(wanted.items()):
        found, problem = _digest(path, algorithm)
        if found != digest:
            altered[path] = problem or f"other bytes than {voucher} has on record"
    for path in _walk(folder):
        if path.endswith(_MODULE) and path not in wanted and path not in listed:
            altered.setdefault(path, f"a module that {voucher} has not on record")
    return Stdlib(
        folder=folder,
        modules=modules,
        voucher="dpkg" if voucher == "dpkg" else "conda",
        files=len(wanted),
        altered=altered,
    )


def _started(folder: str, modules: Iterable[str]) -> dict[str, str]:
    """Return what the site module imports by name at every start; no CPython brings it, and Debian's is dpkg's."""
    found = () if folder.startswith("/usr/lib/") else ("sitecustomize", "usercustomize")
    return {f"{folder}/{name}": _STARTED for name in found if name in modules}


def _top_modules(folder: str) -> Iterator[str]:
    """Yield the names that can be imported from the standard library and its extension modules."""
    for place in (folder, f"{folder}/lib-dynload"):
        try:
            names = os.listdir(place)  # noqa: PTH208 - names alone
        except OSError:
            continue
        for name in names:
            if name.endswith(_MODULE) or ("." not in name and name not in _APART and name != "lib-dynload"):
                yield name.split(".", 1)[0]


def _archive(folder: str) -> str:
    """Return python311.zip beside a standard library, which Modules/getpath.py puts first; empty if there is none."""
    match = re.fullmatch(r"python(\d+)\.(\d+)t?", posixpath.basename(folder))
    path = f"{posixpath.dirname(folder)}/python{match[1]}{match[2]}.zip" if match else ""
    return path if path and os.path.lexists(path) else ""


def _by_dpkg(info: Path) -> dict[str, str]:
    """Return the md5 of the files of Debian's packages of Python, by absolute path."""
    found = {}
    for path in sorted(info.glob("*python3*.md5sums")):
        for line in _text(path).splitlines():
            digest, _, name = line.partition("  ")
            if len(digest) == 32 and name:
                found[f"/{name}"] = digest
    return found


def _listed(info: Path) -> frozenset[str]:
    """Return every path of Debian's packages of Python: links and configuration files have no md5."""
    return frozenset(line for path in info.glob("*python3*.list") for line in _text(path).splitlines())


def _by_conda(prefix: Path) -> dict[str, str]:
    """Return the sha256 of the files of conda's Python below its environment, by absolute path."""
    for path in sorted((prefix / "conda-meta").glob("python-*.json")):
        try:
            record = records.convert(json.loads(_text(path) or "{}"), _CondaRecord)
        except (ValueError, RecursionError, msgspec.ValidationError):
            continue
        if record.name == "python":
            rows = record.paths_data.paths
            return {f"{prefix}/{row.path}": row.digest for row in rows if row.digest}
    return {}


def _walk(folder: str) -> Iterator[str]:
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _APART]
        yield from (f"{root}/{name}" for name in names)


def _digest(path: str, algorithm: str) -> tuple[str, str]:
    """Return a file's digest, and else why there is none."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    try:
        if not Path(path).is_file():
            return "", "no file any more" if os.path.lexists(path) else "missing"
        with Path(path).open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        return "", f"it cannot be read: {error.strerror}"
    return digest.hexdigest(), ""


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LIMIT).decode("utf-8", "surrogateescape")
    except OSError:
        return ""
