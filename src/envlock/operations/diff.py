"""`envlock diff`: two locks compared, ranked by what changes results."""

from __future__ import annotations

from envlock.model.change import Difference
from envlock.model.lock import LockFile
from envlock.verify.difference import compare_locks


def diff_locks(before: LockFile, after: LockFile, *, before_name: str = "", after_name: str = "") -> Difference:
    """Return what differs; names are how output calls the locks, their environments' names where empty."""
    return compare_locks(
        before, after, before_name=before_name or before.lock.env, after_name=after_name or after.lock.env
    )


def exit_code_of(difference: Difference, *, exit_code: bool) -> int:
    """Return 0, or 1 for locks that differ where the user asked for it, as git diff does."""
    return int(exit_code and bool(difference.changes))
