"""What one of two sides says nothing of, with the reason that lies in what kind of side it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from envlock.model.change import Unsaid
from envlock.model.report import Checkout, Report
from envlock.model.side import Side
from envlock.model.unknown import Unknown
from envlock.verify.reported import FEATURES, Key

_SHOWN = 6
_NEVER_MISSED = ("installer", "GPU driver")
"""What a side need not have."""
_UNTOLD = ("CPU level", "CPU vendor", FEATURES)
_OF_A_LOCK = {
    "code": ("a lock holds no commit", ""),
    "data": ("a lock holds no data", ""),
    "machine": ("a lock names classes of hardware and no machine", "envlock verify says whether a machine is of one"),
    "": ("a lock does not say it", ""),
}
_OF_AN_IMAGE = {
    "code": ("an image's files do not tell the commit", "envlock which REF"),
    "data": ("data is in no image", ""),
    "machine": ("an image runs nowhere yet", ""),
    "": ("it was not seen in the image", ""),
}
_OF_A_REPORT = {
    "code": ("it was not made in a git repository", ""),
    "data": ("not recorded", "envlock report --input FILE, or `inputs` in the manifest"),
    "machine": ("not recorded", ""),
    "": ("not recorded", ""),
}


def silence(key: Key, side: Side) -> Iterator[Unsaid]:
    """Yield what a side does not say that the other one says."""
    area, subject = key
    if subject in _NEVER_MISSED or (area == "code" and subject != "commit"):
        return
    reasons = _OF_A_LOCK if side.lock is not None else _OF_AN_IMAGE if side.kind == "image" else _OF_A_REPORT
    of_machine = area in ("cpu", "accelerator") or subject == "memory"
    reason, hint = reasons["machine" if of_machine else area if area in ("code", "data") else ""]
    if area == "settings" and side.lock is None:
        reason = "only variables are recorded that are known to change numbers or code"
    if of_machine and (side.report is None or side.report.machine is None):
        subject = "machine"
    yield Unsaid(subject=f"data {subject}" if area == "data" else subject, side=side.name, reason=reason, hint=hint)


def unknown(key: Key, side: Side, why: Unknown) -> Unsaid:
    """Return what a side could not see; what some systems never tell fails nothing."""
    area, subject = key
    failed = area != "system" and subject not in _UNTOLD
    return Unsaid(subject=subject, side=side.name, reason=why.reason, hint=why.hint, failed=failed)


def paths_left_out(subject: str, side: Side) -> Unsaid:
    """Return what reads the same on both sides because something private was taken out of it."""
    return Unsaid(subject=subject, side=side.name, reason="paths are left out of it, and may differ")


def not_hashed(side: Side, report: Report) -> Iterator[Unsaid]:
    """Yield that a side names versions alone."""
    if not report.full and not isinstance(report.distributions, Unknown):
        hint = "envlock diff --full" if side.kind == "environment" else "envlock report --full"
        reason = "versions alone were compared, for files were not hashed"
        yield Unsaid(subject="files of packages", side=side.name, reason=reason, hint=hint)


def edits(sides: Iterable[tuple[Side, Report]]) -> Iterator[Unsaid]:
    """Yield that work trees were edited on both sides: nobody knows whether alike."""
    rows = list(sides)
    if all(isinstance(report.checkout, Checkout) and report.checkout.dirty for _, report in rows):
        for side, _ in rows:
            yield Unsaid(subject="uncommitted changes", side=side.name, reason="there are some, and no report has them")


def system_packages(side: Side, beside: Side) -> Iterator[Unsaid]:
    """Yield that packages of the operating system, which a lock has, are not listed by what was seen."""
    lock = beside.lock.lock if beside.lock is not None else None
    if lock is not None and lock.base is not None and lock.base.packages and side.lock is None:
        hint = f"envlock verify {lock.env} --image REF --full" if side.kind == "image" else ""
        yield Unsaid(subject="OS packages", side=side.name, reason="they were not listed", hint=hint)


def together(unsaid: Iterable[Unsaid]) -> Iterator[Unsaid]:
    """Yield things that a side does not say for one reason as one row."""
    rows: dict[tuple[object, ...], list[Unsaid]] = {}
    for each in unsaid:
        rows.setdefault((each.side, each.reason, each.hint, each.failed), []).append(each)
    for found in rows.values():
        subjects = list(dict.fromkeys(each.subject for each in found))
        more = f" and {len(subjects) - _SHOWN} more" if len(subjects) > _SHOWN else ""
        yield replace(found[0], subject=", ".join(subjects[:_SHOWN]) + more)
