"""Compares reports, thing by thing, and ranks what differs by what it does to results.

Each report is read once and each thing that it says is looked up once, so a thousand reports take a thousand times as
long as one.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from envlock.model.comparison import (
    Agreement,
    Area,
    Comparison,
    Disagreement,
    Group,
    Unseen,
    odd_in,
)
from envlock.model.fact import Fact
from envlock.model.finding import IMPACTS
from envlock.model.provenance import Signature
from envlock.model.report import Report
from envlock.verify.about_reports import column_of, odd_ones
from envlock.verify.compared_numbers import Numbers, numbers_in, unseen_numbers
from envlock.verify.known import facts_of
from envlock.verify.reported import CPUS, FEATURES, Key
from envlock.verify.said_table import Table
from envlock.verify.standing import standing_of
from envlock.verify.unseen import merged, not_recorded, unhashed, unseen_in
from envlock.verify.way_out import next_steps

_DIGEST = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")


def compare_reports(
    reports: Mapping[str, Report], signatures: Mapping[str, Signature | None] | None = None
) -> Comparison:
    """Return what two reports or more agree in and what not.

    Args:
        reports: by the names that output calls them.
        signatures: of those that are signed, which were checked when they were read.
    """
    names, values = tuple(reports), tuple(reports.values())
    table = Table(values)
    disagreements: list[Disagreement] = []
    unseen: list[Unseen] = []
    same_packages = 0
    rows = {key: table.groups(key, row) for key, row in table.rows.items()}
    facts = facts_of(dict(_steps(rows)))
    for key, groups in rows.items():
        row = table.rows[key]
        same_packages += key[0] == "package" and len(groups) == 1 and row.complete(groups, len(values))
        if len(groups) > 1:
            disagreements.append(_disagreement(key, groups, table, names, facts))
        unseen += unseen_in(key, row, groups, table, names)
    disagreements += [_files(name, version, groups, names) for name, version, groups in table.files()]
    numbers = tuple(numbers_in(values))
    disagreements += [_numbers(found, names) for found in numbers if len(found.groups) > 1]
    disagreements = _told_once(disagreements)
    disagreements.sort(key=lambda d: (IMPACTS.index(d.impact), d.rank, not d.facts, d.area, d.subject))
    unseen = [
        *merged([*unseen, *unseen_numbers(values, names)]),
        *not_recorded(values, names),
        *unhashed(values, names),
    ]
    return Comparison(
        reports=names,
        outcome=_outcome(disagreements, unseen),
        shared=(*_shared(table), *_same_numbers(numbers, len(values))),
        groups=_parts(disagreements, names),
        disagreements=tuple(disagreements),
        unseen=tuple(unseen),
        packages=same_packages,
        fix=tuple(next_steps(reports, disagreements, unseen)),
        odd=tuple(odd_ones(disagreements)),
        columns=tuple(column_of(name, report, (signatures or {}).get(name)) for name, report in reports.items()),
    )


def _steps(rows: Mapping[Key, Mapping[str, list[int]]]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield packages that are there in several versions, with the lowest and the highest."""
    from packaging.version import InvalidVersion, Version

    for (area, name), groups in rows.items():
        if area != "package" or len(groups) < 2:
            continue
        found = []
        for text in groups:
            with contextlib.suppress(InvalidVersion):
                found.append((Version(text), text))
        if len(found) > 1:
            yield name, (min(found)[1], max(found)[1])


def _disagreement(
    key: Key,
    groups: Mapping[str, list[int]],
    table: Table,
    names: tuple[str, ...],
    facts: Mapping[str, tuple[Fact, ...]],
) -> Disagreement:
    area, subject = key
    standing = standing_of(area, subject, tuple(groups), table.packages)
    shown = _apart(tuple(groups)) if subject == FEATURES else _short(area, tuple(groups))
    told = _groups([(shown[text], numbers) for text, numbers in groups.items()], names)
    return Disagreement(
        area=area,
        subject=subject,
        impact=standing.impact,
        groups=told,
        odd=odd_in(told, len(names)),
        why=standing.why,
        note=", ".join(_note(note, numbers, names) for note, numbers in table.rows[key].notes.items()),
        facts=facts.get(subject, ()) if area == "package" else (),
        rank=standing.rank,
    )


def _groups(groups: Iterable[tuple[str, Sequence[int]]], names: tuple[str, ...]) -> tuple[Group, ...]:
    return tuple(Group(value=text, reports=tuple(names[number] for number in numbers)) for text, numbers in groups)


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
    shown = _short("files", tuple(groups))
    told = _groups([(f"contents {shown[text]}", numbers) for text, numbers in groups.items()], names)
    return Disagreement(
        area="files",
        subject=f"{name} {version}",
        impact=standing.impact,
        groups=told,
        odd=odd_in(told, len(names)),
        why=standing.why,
        rank=standing.rank,
    )


def _numbers(found: Numbers, names: tuple[str, ...]) -> Disagreement:
    standing = standing_of("numerics", found.framework, tuple(found.groups), ())
    told = _groups(found.groups.items(), names)
    return Disagreement(
        area="numerics",
        subject=found.subject,
        impact=standing.impact,
        groups=told,
        odd=odd_in(told, len(names)),
        why=standing.why,
        note=found.note,
        rank=standing.rank,
    )


def _same_numbers(numbers: Sequence[Numbers], reports: int) -> Iterator[str]:
    """Yield that all reports have the same numbers, where they have any and none differs."""
    if numbers and all(len(each.groups) == 1 and len(*each.groups.values()) == reports for each in numbers):
        yield f"same numbers ({sum(each.probes for each in numbers):,} answers of probes)"


def _apart(texts: Sequence[str]) -> dict[str, str]:
    """Return lists of words as what of them not all have."""
    lists = {text: set(text.split()) for text in texts}
    common = set.intersection(*lists.values())
    return {text: _some(sorted(words - common)) for text, words in lists.items()}


def _short(area: Area, texts: Sequence[str]) -> dict[str, str]:
    """Return digests and commits as the beginnings that tell them apart; whole digests alone make things equal."""
    length = {"code": 8, "data": 12, "startup": 12, "files": 12}.get(area)
    short = {text: text[:length] if _DIGEST.fullmatch(text) else text for text in texts}
    return short if len(set(short.values())) == len(texts) else {text: text for text in texts}


def _some(words: list[str]) -> str:
    more = f" +{len(words) - 3}" if len(words) > 3 else ""
    return " ".join(words[:3]) + more or "without"


def _outcome(disagreements: Sequence[Disagreement], unseen: Sequence[Unseen]) -> Agreement:
    if any(each.impact != "cosmetic" for each in disagreements):
        return "disagree"
    return "unknown" if any(each.failed for each in unseen) else "agree"


def _shared(table: Table) -> Iterator[str]:
    """Yield what of code and data is the same everywhere."""
    commit = table.agreed(("code", "commit"))
    if commit is not None:
        clean = table.agreed(("code", "uncommitted changes")) == "none"
        yield f"same commit {commit[:8]}" + ("" if clean else ", with uncommitted changes")
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
