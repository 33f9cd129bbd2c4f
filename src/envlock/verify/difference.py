"""Compares two locks and ranks what differs by what it does to results."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.change import Change, Difference, change_of
from envlock.model.finding import IMPACTS
from envlock.model.influence import PYTHON_RANK
from envlock.model.lock import Lock, LockFile
from envlock.verify.hardware_changes import hardware_changes
from envlock.verify.image_changes import image_changes
from envlock.verify.lock_changes import lock_changes
from envlock.verify.package_changes import package_changes
from envlock.verify.settings_changes import settings_changes


def compare_locks(before: LockFile, after: LockFile, *, before_name: str, after_name: str) -> Difference:
    """Return what changes from one lock to the other, the most consequential first."""
    old, new = before.lock, after.lock
    packages = list(package_changes(old, new))
    changed = {change.subject for change in packages}
    changes = [
        *packages,
        *hardware_changes(old, new),
        *_python(old, new),
        *settings_changes(old, new),
        *image_changes(old, new),
        *lock_changes(old, new, changed),
    ]
    return Difference(
        before=before_name,
        after=after_name,
        before_digest=before.digest,
        after_digest=after.digest,
        changes=tuple(sorted(changes, key=order)),
        unchanged_packages=len({package.name for package in new.packages} - changed),
    )


def order(change: Change) -> tuple[object, ...]:
    """Sort key of changes: what changes results first, and of it frameworks, numerics, CUDA, hardware, system."""
    return IMPACTS.index(change.impact), change.rank, not change.facts, change.area, change.subject


def _python(old: Lock, new: Lock) -> Iterator[Change]:
    if old.python != new.python:
        why = "Other wheels are installed, and the standard library differs; no numpy result was seen to differ."
        yield change_of("python", "python", old.python, new.python, why, "results", PYTHON_RANK)
    one, other = (lock.base.python if lock.base else "" for lock in (old, new))
    if old.python == new.python and one != other and one and other:
        why = "Patch releases fix bugs, rarely ones that change numbers."
        yield change_of("python", "python", one, other, why, "compat", PYTHON_RANK)
    platforms = [", ".join(map(str, lock.platforms)) for lock in (old, new)]
    if platforms[0] != platforms[1]:
        why = "Another platform has other wheels with other kernels."
        yield change_of("python", "platforms", platforms[0], platforms[1], why, "results", PYTHON_RANK)
