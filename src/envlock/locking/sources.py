"""`from`: what requirements files, pyproject.toml, uv.lock and poetry.lock ask for."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from envlock.errors import UsageError
from envlock.locking.allowed_hashes import AllowedHash, hashes_of_poetry_lock, hashes_of_uv_lock
from envlock.locking.requirements_file import requirement_hashes
from envlock.model.manifest import Environment


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """Everything an environment's `from` says, in the words of the resolver."""

    requirements: tuple[str, ...] = ()
    """PEP 508, read off the locks of other tools."""
    constraints: tuple[str, ...] = ()
    """Their pins."""
    overrides: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    """Requirements files and pyproject.toml, which the resolver reads itself."""
    groups: tuple[str, ...] = ()
    """Of those pyproject.toml."""
    extras: tuple[str, ...] = ()
    hashes: tuple[AllowedHash, ...] = ()


def read_sources(environment: Environment, folder: Path) -> Sources:
    """Read the files that `from` names, relative to `folder`.

    Raises UsageError (`no-requirements`, `bad-requirements`, `unknown-group`, `unknown-extra`, `unlockable-source`).
    """
    sources = Sources()
    for name in environment.from_:
        path = folder / name
        match path.name:
            case "uv.lock":
                read = _uv_lock(environment, path, name)
            case "poetry.lock":
                read = _poetry_lock(environment, path, name)
            case "pyproject.toml":
                read = Sources(files=(path,), groups=environment.groups, extras=environment.extras)
            case _:
                read = Sources(files=(path,), hashes=requirement_hashes(path, name))
        sources = _both(sources, read)
    return sources


def _both(first: Sources, second: Sources) -> Sources:
    fields = (field.name for field in msgspec.structs.fields(Sources))
    return Sources(**{name: tuple(dict.fromkeys(getattr(first, name) + getattr(second, name))) for name in fields})


def _uv_lock(environment: Environment, path: Path, where: str) -> Sources:
    from envlock.locking.uv_lock import read_uv_lock

    document = read_toml(path, where)
    lock = read_uv_lock(document, environment.groups, environment.extras, where)
    hashes = hashes_of_uv_lock(document, where)
    return Sources(requirements=lock.roots, constraints=lock.pins, overrides=lock.overrides, hashes=hashes)


def _poetry_lock(environment: Environment, path: Path, where: str) -> Sources:
    from envlock.locking.poetry import poetry_pins, poetry_roots

    lock = read_toml(path, where)
    beside = path.with_name("pyproject.toml")
    pyproject = read_toml(beside, beside.name) if beside.is_file() else None
    try:
        pins = poetry_pins(lock, environment.python)
        roots = poetry_roots(lock, pyproject, environment.groups, environment.extras, where)
        hashes = hashes_of_poetry_lock(lock, where)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UsageError(
            "bad-requirements",
            "This is not as Poetry writes it.",
            where=where,
            found=str(error),
            hint="Run `poetry lock`.",
        ) from None
    return Sources(requirements=roots, constraints=pins, hashes=hashes)


def read_toml(path: Path, where: str) -> Mapping[str, Any]:
    """Read a TOML file of another tool; UsageError (`no-requirements`, `bad-requirements`) calls it `where`."""
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise UsageError(
            "no-requirements", f"The requirements cannot be read: {error.strerror}.", where=where
        ) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError("bad-requirements", "This file is not TOML.", where=where, found=str(error)) from None
