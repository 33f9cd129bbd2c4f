"""The lock that stands where a new one will: where its pins are kept from, however damaged it is."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from envlock.errors import EnvlockError
from envlock.formats.pylock import read_lock
from envlock.locking.merge import salvaged
from envlock.model.lock import Lock, LockFile

_DAMAGED = ("bad-lock", "conflict-markers", "edited-lock")


def previous_lock(path: Path) -> LockFile | None:
    """Return the lock at `path`, or None where there is none of ours.

    Of a lock with conflict markers, or edited by hand, only the pins are kept, of both sides; everything else of it is
    found out anew. Raises UsageError (`newer-lock`, `unreadable-lock`).
    """
    try:
        return read_lock(path)
    except EnvlockError as error:
        if error.reference in ("no-lock", "foreign-lock"):
            return None
        if error.reference not in _DAMAGED:
            raise
    raw = path.read_bytes()
    env = path.name.removeprefix("pylock.").removesuffix(".toml")
    return LockFile(lock=salvaged(raw.decode("utf-8", "replace"), env), raw=raw)


def comparable(previous: LockFile, new: Lock) -> LockFile:
    """Return what a new lock is to be compared with: of a damaged lock nothing but its pins counts as changed."""
    if previous.lock.python:
        return previous
    there = {(package.name, package.version): package for package in new.packages}
    pins = tuple(there.get((package.name, package.version), package) for package in previous.lock.packages)
    return LockFile(lock=replace(new, packages=pins), raw=previous.raw)
