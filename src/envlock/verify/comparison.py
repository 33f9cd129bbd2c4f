"""Compares reports, thing by thing, and ranks what differs by what it does to results.

Each report is read once and each thing that it says is looked up once, so a thousand reports take a thousand times as
long as one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from envlock.model.comparison import Agreement, Comparison, Disagreement, Group, Unseen
from envlock.model.finding import IMPACTS
from envlock.model.report import Checkout, Report
from envlock.model.unknown import Unknown
from envlock.verify.reported import CPUS, FEATURES, Key, absence, contents_of, sayings
from envlock.verify.standing import standing_of
from envlock.verify.way_out import next_steps

_NO_DATA = "envlock report --input FILE, or `inputs` in the manifest"


def compare_reports(reports: Mapping[str, Report]) -> Comparison:
    """Return what two reports or more agree in and what not; `reports` by the names that output calls them."""
    names, values = tuple(reports), tuple(reports.values())
    table = _Table(values)
    disagreements: list[Disagreement] = []
    unseen: list[Unseen] = []
    same_packages = 0
    for key, row in table.rows.items():
        groups = table.groups(key, row)
        same_packages += key[0] == "package" and len(groups) == 1 and row.complete(groups, len(values))
        if len(groups) > 1:
            disagreements.append(_disagreement(key, groups, table, names))
        unseen += _unseen(key, row, groups, table, names)
    disagreements += [_files(name, version, groups, names) for name, version, groups in table.files()]
    disagreements = _told_once(disagreements)
    disagreements.sort(key=lambda d: (IMPACTS.index(d.impact), d.rank, not d.facts, d.area, d.subject))
    unseen = [*_merged(unseen), *_not_recorded(values, names), *table.unhashed(names)]
    return Comparison(
        reports=names,
        outcome=_outcome(disagreements, unseen),
        shared=tuple(_shared(table)),
        groups=_parts(disagreements, names),
        disagreements=tuple(disagreements),
        unseen=tuple(unseen),
        packages=same_packages,
        fix=tuple(next_steps(reports, disagreements, unseen)),
    )


class _Row:
    """What all reports say of one thing, reports by their number."""

    def __init__(self) -> None:
        self.said: dict[str, list[int]] = {}
        self.notes: dict[str, list[int]] = {}
        self.hidden: set[str] = set()
        self.unknown: dict[Unknown, list[int]] = {}

    def complete(self, groups: Mapping[str, list[int]], reports: int) -> bool:
        """Tell whether every report is in a group."""
        return sum(map(len, groups.values())) == reports


class _Table:
    """Everything that the reports say."""

    def __init__(self, reports: Sequence[Report]) -> None:
        self.reports = reports
        self.rows: dict[Key, _Row] = {}
        for number, report in enumerate(reports):
            for key, said in sayings(report):
                row = self.rows.setdefault(key, _Row())
                if isinstance(said, Unknown):
                    row.unknown.setdefault(said, []).append(number)
                    continue
                row.said.setdefault(said.text, []).append(number)
                if said.hidden:
                    row.hidden.add(said.text)
                if said.note:
                    row.notes.setdefault(said.note, []).append(number)
        self.packages = frozenset(subject for area, subject in self.rows if area == "package")

    def groups(self, key: Key, row: _Row) -> dict[str, list[int]]:
        """Return which reports say what, those included for which silence says something."""
        groups = {text: list(numbers) for text, numbers in row.said.items()}
        silent = self.silent(row)
        for number in silent:
            text = absence(self.reports[number], key[0])
            if text:
                groups.setdefault(text, []).append(number)
        for numbers in groups.values():
            numbers.sort()
        return dict(sorted(groups.items(), key=lambda item: item[1][0]))

    def silent(self, row: _Row) -> list[int]:
        """Return the reports that say nothing of a thing, not even that it is unknown."""
        heard = {number for numbers in (*row.said.values(), *row.unknown.values()) for number in numbers}
        return [] if len(heard) == len(self.reports) else [n for n in range(len(self.reports)) if n not in heard]

    def agreed(self, key: Key) -> str | None:
        """Return what every report says of a thing, None where they do not all say the same."""
        row = self.rows.get(key)
        if row is None or len(row.said) != 1:
            return None
        ((text, numbers),) = row.said.items()
        return text if len(numbers) == len(self.reports) else None

    def files(self) -> Iterator[tuple[str, str, dict[str, list[int]]]]:
        """Yield (name, version, groups) of packages that have one version and other bytes."""
        known: dict[tuple[str, str], dict[str, str]] = {}
        found: dict[tuple[str, str], dict[str, list[int]]] = {}
        for number, report in enumerate(self.reports):
            for name, version, digests in contents_of(report):
                if not digests:
                    continue
                same = known.setdefault((name, version), {})
                first = next((same[digest] for digest in digests if digest in same), digests[0])
                same.update(dict.fromkeys(digests, first))
                found.setdefault((name, version), {}).setdefault(first[:12], []).append(number)
        for (name, version), groups in found.items():
            if len(groups) > 1:
                yield name, version, groups

    def unhashed(self, names: tuple[str, ...]) -> Iterator[Unseen]:
        """Yield what is said of packages whose bytes not all reports have."""
        quick = tuple(name for name, report in zip(names, self.reports, strict=True) if not report.full)
        if quick:
            yield Unseen(
                subject="files of packages",
                reason="only versions are compared where files were not hashed",
                reports=quick,
                hint="envlock report --full",
            )
        unread: dict[str, list[str]] = {}
        for name, report in zip(names, self.reports, strict=True):
            for package, _, digests in contents_of(report) if report.full else ():
                if not digests:
                    unread.setdefault(package, []).append(name)
        for package, reports in unread.items():
            reason = "they are not there as its RECORD lists them"
            yield Unseen(subject=f"files of {package}", reason=reason, reports=tuple(reports), failed=True)


def _disagreement(key: Key, groups: Mapping[str, list[int]], table: _Table, names: tuple[str, ...]) -> Disagreement:
    area, subject = key
    standing = standing_of(area, subject, tuple(groups), table.packages)
    shown = _apart(tuple(groups)) if subject == FEATURES else {text: text for text in groups}
    return Disagreement(
        area=area,
        subject=subject,
        impact=standing.impact,
        groups=tuple(
            Group(value=shown[text], reports=tuple(names[number] for number in numbers))
            for text, numbers in groups.items()
        ),
        why=standing.why,
        note=", ".join(_note(note, numbers, names) for note, numbers in table.rows[key].notes.items()),
        facts=standing.facts,
        rank=standing.rank,
    )


def _note(note: str, numbers: Sequence[int], names: tuple[str, ...]) -> str:
    """Return what decides a thing, and for whom where not for all."""
    if len(numbers) == len(names):
        return note
    return f"{names[numbers[0]]}{f' and {len(numbers) - 1} more' if len(numbers) > 1 else ''} {note}"


def _told_once(disagreements: Sequence[Disagreement]) -> list[Disagreement]:
    """Leave out the CPUs that programs get where the number of threads says the same."""
    threads = next((each.groups for each in disagreements if each.subject == "threads"), ())
    return [each for each in disagreements if each.subject != CPUS or each.groups != threads]


def _files(name: str, version: str, groups: Mapping[str, list[int]], names: tuple[str, ...]) -> Disagreement:
    standing = standing_of("files", name, tuple(groups), ())
    return Disagreement(
        area="files",
        subject=f"{name} {version}",
        impact=standing.impact,
        groups=tuple(
            Group(value=f"contents {text}", reports=tuple(names[number] for number in numbers))
            for text, numbers in groups.items()
        ),
        why=standing.why,
        rank=standing.rank,
    )


def _apart(texts: Sequence[str]) -> dict[str, str]:
    """Return lists of words as what of them not all have."""
    lists = {text: set(text.split()) for text in texts}
    common = set.intersection(*lists.values())
    return {text: _some(sorted(words - common)) for text, words in lists.items()}


def _some(words: list[str]) -> str:
    more = f" +{len(words) - 3}" if len(words) > 3 else ""
    return " ".join(words[:3]) + more or "without"


def _unseen(
    key: Key, row: _Row, groups: Mapping[str, list[int]], table: _Table, names: tuple[str, ...]
) -> Iterator[Unseen]:
    """Yield what of a thing could not be compared: its unknown readings, and silence that says nothing."""
    area, subject = key
    for unknown, numbers in row.unknown.items():
        yield Unseen(
            subject=subject,
            reason=unknown.reason,
            reports=tuple(names[number] for number in numbers),
            hint=unknown.hint,
            failed=area != "system" and subject != "CPU level",
        )
    for text in sorted(row.hidden):
        if len(row.said[text]) > 1:
            alike = tuple(names[number] for number in row.said[text])
            yield Unseen(subject=subject, reason="reports hold no paths, which may differ", reports=alike)
    if row.complete(groups, len(table.reports) - sum(map(len, row.unknown.values()))):
        return
    if area in ("data", "system", "accelerator", "cpu", "code") and (area != "code" or subject == "commit"):
        known = {number for numbers in groups.values() for number in numbers}
        silent = tuple(names[number] for number in table.silent(row) if number not in known)
        driverless = subject == "GPU driver"
        if silent and not driverless:
            yield Unseen(
                subject=f"data {subject}" if area == "data" else subject,
                reason="not recorded",
                reports=silent,
                hint=_NO_DATA if area == "data" else "",
            )


def _not_recorded(reports: Sequence[Report], names: tuple[str, ...]) -> Iterator[Unseen]:
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


def _merged(unseen: Sequence[Unseen]) -> Iterator[Unseen]:
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


def _outcome(disagreements: Sequence[Disagreement], unseen: Sequence[Unseen]) -> Agreement:
    if any(each.impact != "cosmetic" for each in disagreements):
        return "disagree"
    return "unknown" if any(each.failed for each in unseen) else "agree"


def _shared(table: _Table) -> Iterator[str]:
    """Yield what of code and data is the same everywhere."""
    commit = table.agreed(("code", "commit"))
    if commit is not None:
        clean = table.agreed(("code", "uncommitted changes")) == "none"
        yield f"same commit {commit}" + ("" if clean else ", with uncommitted changes")
    data = [subject for area, subject in table.rows if area == "data"]
    same = [name for name in data if table.agreed(("data", name)) not in (None, "no such file")]
    if same and len(same) == len(data):
        yield f"same data ({', '.join(same[:3])}{f' and {len(same) - 3} more' if len(same) > 3 else ''})"


def _parts(disagreements: Sequence[Disagreement], names: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Return the reports in groups that agree in all that changes results."""
    said: dict[str, list[int]] = {name: [] for name in names}
    for each in disagreements:
        if each.impact != "results":
            continue
        heard = {name: at for at, group in enumerate(each.groups) for name in group.reports}
        for name, readings in said.items():
            readings.append(heard.get(name, -1))
    parts: dict[tuple[int, ...], list[str]] = {}
    for name, readings in said.items():
        parts.setdefault(tuple(readings), []).append(name)
    return tuple(tuple(part) for part in parts.values())
