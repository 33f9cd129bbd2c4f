"""Which paths of a container decide what its programs run: the rules about containers look at no others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from envlock.model.engine import Change
from envlock.verify.case import Case

Kind = Literal["environment", "bytecode", "system", "other"]

_BYTECODE = re.compile(r"/__pycache__/[^/]+\.pyc$")
_ENVIRONMENT = re.compile(
    r"/(site|dist)-packages(/|$)"
    r"|/lib(64)?/python3[^/]*(/|$)"
    r"|/s?bin/python[0-9.]*$"
    r"|^/etc/(ld\.so\.(preload|cache|conf)|python3)"
    r"|/pyvenv\.cfg$"
    r"|^(/usr)?/lib(64)?/([^/]+-linux-gnu[^/]*/)?(ld-|libc[.-]|libm[.-]|libpthread|libpython|libstdc\+\+|libgomp)"
)
_SYSTEM = re.compile(r"^(/usr(/local)?)?/lib(32|64)?(/|$)|\.so(\.\d+)*$")
_DRIVER = re.compile(
    r"^(/usr)?/(bin/nvidia-[^/]+|lib(32|64)?/([^/]+-linux-gnu[^/]*/)?(vdpau/)?"
    r"lib(cuda\.|cudadebugger|nvidia|nvcuvid|nvoptix|GLX_nvidia|EGL_nvidia|GLESv\d\w*_nvidia|vdpau_nvidia)[^/]*)$"
)
"""What NVIDIA's Container Toolkit puts into containers at their start: it is of the machine, not of the image.

CUDA's own libraries (libcudart, libnvrtc), and whatever lies in an environment, are none of it.
"""
_ROOTS = ("/usr/lib", "/usr/local/lib", "/lib", "/etc/ld.so.cache", "/etc/python3")
_BINS = ("/bin", "/usr/bin", "/usr/local/bin")
"""Where the interpreter of an environment is."""


def kind_of(case: Case, path: str) -> Kind:
    """Return what a path of a container is to its programs."""
    if _DRIVER.search(path):
        return "other"
    container = case.observation.container
    if _ENVIRONMENT.search(path) or _is_below(path, container.folders if container else ()):
        return "bytecode" if _BYTECODE.search(path) else "environment"
    return "system" if _SYSTEM.search(path) else "other"


def covers(case: Case, place: str) -> bool:
    """Tell whether what is mounted at a place hides or replaces what decides what programs run."""
    if kind_of(case, f"{place.rstrip('/')}/") in ("environment", "system") or kind_of(case, place) != "other":
        return True
    container = case.observation.container
    environment = case.environment
    roots = [*(container.folders if container else ()), *(environment.layout.sites if environment else ())]
    roots += [*_ROOTS, *_BINS]
    return any(root == place or root.startswith(f"{place.rstrip('/')}/") for root in roots)


def grouped(changes: Iterable[Change]) -> Mapping[str, list[Change]]:
    """Sort changes by what they belong to: a package's folder, else the folder that they are in."""
    groups: dict[str, list[Change]] = {}
    for change in changes:
        package = re.match(r".*?/(site|dist)-packages/[^/]+", change.path)
        folder = package[0] if package else change.path.rpartition("/")[0] or "/"
        groups.setdefault(folder, []).append(change)
    return groups


def _is_below(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)
