"""`envlock diff`: two sides compared, ranked by what changes results."""

from __future__ import annotations

from msgspec.structs import replace

from envlock.model.change import Difference
from envlock.model.lock import LockFile
from envlock.model.side import Side
from envlock.verify.difference import compare_locks


def diff_sides(before: Side, after: Side) -> Difference:
    """Return what differs between two sides: of two locks all that they hold, else all that both sides say."""
    if before.lock is not None and after.lock is not None:
        difference = compare_locks(before.lock, after.lock, before_name=before.name, after_name=after.name)
        return replace(difference, before_kind=before.kind, after_kind=after.kind)
    from envlock.verify.difference_of_reports import compare_sides

    return compare_sides(before, after)


def diff_locks(before: LockFile, after: LockFile, *, before_name: str = "", after_name: str = "") -> Difference:
    """Return what differs; names are how output calls the locks, their environments' names where empty."""
    return compare_locks(
        before, after, before_name=before_name or before.lock.env, after_name=after_name or after.lock.env
    )


def exit_code_of(difference: Difference, *, exit_code: bool) -> int:
    """Return 0; where the user asked for it, 1 for sides that differ (git diff), else 3 where not all was compared.

    What a side cannot say by its nature, such as the machine of a lock, is no reason for 3.
    """
    if not exit_code:
        return 0
    return 1 if difference.changes else 3 if any(each.failed for each in difference.unsaid) else 0
