"""What of reports could not be compared, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from envlock.model.comparison import Unseen
from envlock.model.machine import Accelerators, Machine
from envlock.model.report import Checkout, Report
from envlock.verify.reported import FEATURES, Key, contents_of
from envlock.verify.said_table import Row, Table

_UNTOLD = ("CPU level", "CPU vendor", FEATURES)
"""What some systems never tell: it is said, and fails no comparison."""
_NO_DATA = "envlock report --input FILE, or `inputs` in the manifest"


def unseen_in(
    key: Key, row: Row, groups: Mapping[str, list[int]], table: Table, names: tuple[str, ...]
) -> Iterator[Unseen]:
    """Yield what of a thing could not be compared: its unknown readings, and silence that says nothing."""
    area, subject = key
    for unknown, numbers in row.unknown.items():
        yield Unseen(
            subject=subject,
            reason=unknown.reason,
            reports=tuple(names[number] for number in numbers),
            hint=unknown.hint,
            failed=area != "system" and subject not in _UNTOLD,
        )
    for text in sorted(row.hidden):
        if len(row.said[text]) > 1:
            alike = tuple(names[number] for number in row.said[text])
            yield Unseen(subject=subject, reason="reports hold no paths, which may differ", reports=alike)
    if row.complete(groups, len(table.reports) - sum(map(len, row.unknown.values()))):
        return
    if area in ("data", "system", "accelerator", "cpu", "code") and (area != "code" or subject == "commit"):
        known = {number for numbers in groups.values() for number in numbers}
        silent = tuple(
            names[number]
            for number in table.silent(row)
            if number not in known and not (subject == "GPU driver" and _without_gpu(table.reports[number]))
        )
        if silent:
            yield Unseen(
                subject=f"data {subject}" if area == "data" else subject,
                reason="not recorded",
                reports=silent,
                hint=_NO_DATA if area == "data" else "",
            )


def _without_gpu(report: Report) -> bool:
    """Tell whether a report's machine is known to run no GPU, so that it has no driver either."""
    accelerators = report.machine.accelerators if isinstance(report.machine, Machine) else None
    return isinstance(accelerators, Accelerators) and not accelerators.devices


def not_recorded(reports: Sequence[Report], names: tuple[str, ...]) -> Iterator[Unseen]:
    """Yield what no report looked at, and what is different by its nature."""
    if not any(report.inputs for report in reports):
        yield Unseen(subject="data", reason="no report names data files", reports=names, hint=_NO_DATA)
    if not any(report.checkout for report in reports):
        yield Unseen(subject="commit", reason="no report was made in a git repository", reports=names)
    if all(isinstance(report.checkout, Checkout) and report.checkout.dirty for report in reports):
        yield Unseen(subject="uncommitted changes", reason="all have some, and reports do not hold them", reports=names)
    for name, asked in (("machine", [r.machine for r in reports]), ("settings", [r.variables for r in reports])):
        missing = tuple(names[number] for number, each in enumerate(asked) if each is None)
        if missing:
            yield Unseen(subject=name, reason="not recorded", reports=missing)


def merged(unseen: Sequence[Unseen]) -> Iterator[Unseen]:
    """Yield things that were not seen for one reason in the same reports as one."""
    rows: dict[tuple[object, ...], list[Unseen]] = {}
    for each in unseen:
        rows.setdefault((each.reason, each.reports, each.hint, each.failed), []).append(each)
    for same in rows.values():
        first = same[0]
        yield Unseen(
            subject=", ".join(each.subject for each in same),
            reason=first.reason,
            reports=first.reports,
            hint=first.hint,
            failed=first.failed,
        )


def unhashed(reports: Sequence[Report], names: tuple[str, ...]) -> Iterator[Unseen]:
    """Yield what is said of packages whose bytes not all reports have."""
    quick = tuple(name for name, report in zip(names, reports, strict=True) if not report.full)
    if quick:
        yield Unseen(
            subject="files of packages",
            reason="only versions are compared where files were not hashed",
            reports=quick,
            hint="envlock report --full",
        )
    unread: dict[str, list[str]] = {}
    for name, report in zip(names, reports, strict=True):
        for package, _, digests in contents_of(report) if report.full else ():
            if not digests:
                unread.setdefault(package, []).append(name)
    for package, where in unread.items():
        reason = "they are not there as its RECORD lists them"
        yield Unseen(subject=f"files of {package}", reason=reason, reports=tuple(where), failed=True)
