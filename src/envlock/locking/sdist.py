"""Builds the wheel of an sdist in a build root, so that the same bytes come out wherever it is done."""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import os
import stat
import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from envlock.errors import EnvlockError, UsageError
from envlock.formats.sdist import EPOCH, unpack_sdist
from envlock.locking import build_environment, built_wheel
from envlock.model.artifact import Build, Requirement, Sdist
from envlock.model.edges import Process, Progress, Sandbox
from envlock.model.platform import Platform

PLACE = "/build"
"""Where the work folder is inside the root; compilers write paths below it into what they make."""
ENVIRONMENT = {
    "HOME": f"{PLACE}/home",
    "LC_ALL": "C.UTF-8",
    "PATH": f"{PLACE}/environment/bin:/usr/local/bin:/usr/bin:/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONNOUSERSITE": "1",
    "PYTHONPATH": f"{PLACE}/environment/lib",
    "SOURCE_DATE_EPOCH": str(EPOCH),
    "TZ": "UTC",
}
_LEGACY_REQUIRES = ["setuptools>=40.8.0"]  # PEP 517, with pip's floor; that backend asks for wheel itself
_LEGACY_BACKEND = "setuptools.build_meta:__legacy__"
_TAIL_LINES = 25

Requires = Callable[[Sequence[str]], tuple[list[Requirement], list[Path]]]
"""Resolves PEP 508 build requirements to exact wheels at hand, as of the lock's cutoff."""


class BuiltWheel(msgspec.Struct, frozen=True, kw_only=True):
    """A wheel at hand that was built of an sdist."""

    path: Path
    name: str
    sha256: str
    size: int
    build: Build


class BuildSystem(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """The table [build-system] of a pyproject.toml (PEP 518, PEP 517)."""

    requires: list[str]
    build_backend: str = _LEGACY_BACKEND
    backend_path: list[str] = []


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What `data/in_root/run_hook.py` writes."""

    result: Any
    python: str
    glibc: str
    machine: str


def build_wheel(
    sdist: Path,
    *,
    name: str,
    version: str,
    root: Path,
    sandbox: Sandbox,
    requires: Requires,
    interpreter: str,
    destination: Path,
    progress: Progress,
    base: Path | None = None,
    twice: bool = False,
) -> BuiltWheel:
    """Build one wheel of `sdist` inside `root` and put it, checked, below `destination`.

    `base` is the root that the wheel is to run in (`root` itself by default): each library it needs must be there.
    With `twice` it is built a second time, and must come out the same. The log stays as `<name>-<version>.log` in
    `destination`. Raises UsageError (`build-failed`, `bad-pyproject`, `wheel-unfit`, `not-reproducible`),
    IntegrityError (`bad-sdist`), and what the sandbox raises.
    """
    log = destination / f"{name}-{version}.log"
    log.unlink(missing_ok=True)
    steps = _Steps(f"{name} {version}", sdist, root, sandbox, interpreter, log)
    with progress.task(f"{name} {version}: finding out what its build needs"):
        exact, wheels = steps.requirements(requires)
    with progress.task(f"{name} {version}: building"):
        found, sha256 = steps.build(exact, wheels, name=name, version=version, base=base or root, into=destination)
        again = steps.build(exact, wheels, name=name, version=version, base=base or root, into=destination)[1] if twice else sha256
    if again != sha256:
        raise UsageError(
            "not-reproducible",
            f"{name} {version} came out differently when it was built a second time.",
            where=sdist.name,
            expected=f"sha256 {sha256}",
            found=f"sha256 {again}",
            hint="Lock a version that has a wheel, or give a wheel by find-links.",
        )
    with sdist.open("rb") as file:
        source = Sdist(name=sdist.name, size=sdist.stat().st_size, sha256=hashlib.file_digest(file, "sha256").hexdigest())
    build = Build(sdist=source, requires=tuple(sorted(exact, key=lambda requirement: requirement.name)))
    return BuiltWheel(path=found, name=found.name, sha256=sha256, size=found.stat().st_size, build=build)
