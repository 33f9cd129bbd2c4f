"""What all reports say, thing by thing: one row for each thing, reports by their number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from envlock.model.report import Report
from envlock.model.unknown import Unknown
from envlock.verify.reported import Key, absence, contents_of, sayings


class Row:
    """What all reports say of one thing, reports by their number."""

    def __init__(self) -> None:
        self.said: dict[str, list[int]] = {}
        self.notes: dict[str, list[int]] = {}
        self.hidden: set[str] = set()
        self.unknown: dict[Unknown, list[int]] = {}

    def complete(self, groups: Mapping[str, list[int]], reports: int) -> bool:
        """Tell whether every report is in a group."""
        return sum(map(len, groups.values())) == reports


class Table:
    """Everything that the reports say."""

    def __init__(self, reports: Sequence[Report]) -> None:
        self.reports = reports
        self.rows: dict[Key, Row] = {}
        for number, report in enumerate(reports):
            for key, said in sayings(report):
                row = self.rows.setdefault(key, Row())
                if isinstance(said, Unknown):
                    row.unknown.setdefault(said, []).append(number)
                    continue
                row.said.setdefault(said.text, []).append(number)
                if said.hidden:
                    row.hidden.add(said.text)
                if said.note:
                    row.notes.setdefault(said.note, []).append(number)
        self.packages = frozenset(subject for area, subject in self.rows if area == "package")

    def groups(self, key: Key, row: Row) -> dict[str, list[int]]:
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

    def silent(self, row: Row) -> list[int]:
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
                found.setdefault((name, version), {}).setdefault(first, []).append(number)
        for (name, version), groups in found.items():
            if len(groups) > 1:
                yield name, version, groups
