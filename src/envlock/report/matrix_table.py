"""The tables of a comparison's page: the matrix, with a column for each report or group, and the list of reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from envlock.model.comparison import Column, Comparison, Disagreement
from envlock.model.finding import IMPACTS, Impact
from envlock.report.page_tables import prose, text
from envlock.report.style import Meaning, count

HEADINGS: dict[Impact, tuple[str, Meaning]] = {
    "results": ("Changes results", "bad"),
    "security": ("Security", "bad"),
    "compat": ("May matter", "warn"),
    "cosmetic": ("Cosmetic", "faint"),
}
_FEW = 8
"""Up to so many reports have a column each."""
_MOST_GROUPS, _MOST_ROWS, _MOST_REPORTS = 40, 200, 2_000
"""What a browser lays out at once; the JSON output holds all."""
_VALUES = 3
"""That are listed of a group whose reports do not all say the same."""
_OUTCOMES: dict[str, tuple[str, str]] = {
    "match": ("✓ match", "good"),
    "drift": ("✗ drift", "bad"),
    "unverified": ("? could not verify", "warn"),
    "integrity": ("✗ contradicts the lock", "bad"),
}


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """What stands across: groups of reports, the largest first, and the cells that each has."""

    groups: tuple[tuple[str, ...], ...]
    single: bool
    """Whether each report has a column of its own."""

    @classmethod
    def of(cls, comparison: Comparison) -> Columns:
        """Return the columns that people can read."""
        groups = tuple(sorted(comparison.groups, key=len, reverse=True))
        return cls(groups=groups, single=len(comparison.reports) <= _FEW)

    @property
    def cells(self) -> tuple[tuple[str, ...], ...]:
        """The reports of each column."""
        if self.single:
            return tuple((name,) for group in self.groups for name in group)
        return self.groups[:_MOST_GROUPS]


def matrix_table(comparison: Comparison, columns: Columns) -> Iterator[str]:
    """Yield the matrix in a region that scrolls, by keys too."""
    yield '<div class="matrix" role="region" aria-labelledby="matrix" tabindex="0">'
    yield "<table>"
    yield "<thead>"
    yield from _head(columns)
    yield "</thead>"
    if columns.single:
        yield from _about(comparison, columns)
    for impact in IMPACTS:
        rows = [each for each in comparison.disagreements if each.impact == impact]
        if rows:
            yield from _rows(impact, rows, columns)
    yield "</table>"
    yield "</div>"
    if not columns.single and len(columns.groups) > _MOST_GROUPS:
        left = count(len(columns.groups) - _MOST_GROUPS, "more group")
        yield f'<p class="more">and {left}; the JSON output holds all of them</p>'


def _head(columns: Columns) -> Iterator[str]:
    corner = '<th scope="col" class="corner">What</th>'
    parted = columns.single and len(columns.groups) > 1
    if parted:
        yield '<tr><th scope="col" class="corner" rowspan="2">What</th>'
        for number, group in enumerate(columns.groups, 1):
            yield f'<th scope="colgroup" colspan="{len(group)}">Group {number}</th>'
        yield "</tr>"
    yield "<tr>" + ("" if parted else corner)
    for number, names in enumerate(columns.cells, 1):
        if columns.single:
            yield f'<th scope="col">{text(names[0])}</th>'
        else:
            told = text(", ".join(names)) if len(names) < 3 else f"{len(names):,} reports"
            yield f'<th scope="col">Group {number}<small>{told}</small></th>'
    yield "</tr>"


def _rows(impact: Impact, rows: Sequence[Disagreement], columns: Columns) -> Iterator[str]:
    heading, meaning = HEADINGS[impact]
    yield f'<tbody class="{impact}">'
    yield f'<tr class="part {meaning}"><th scope="rowgroup">{heading}</th><td colspan="{len(columns.cells)}"></td></tr>'
    for each in rows[:_MOST_ROWS]:
        said = {name: group.value for group in each.groups for name in group.reports}
        # Where no majority says what is usual, letters tell which cells are the same.
        letters = {} if each.odd else {group.value: _letter(at) for at, group in enumerate(each.groups)}
        odd = frozenset(each.odd)
        yield f'<tr class="{meaning}"><th scope="row">{_subject(each)}</th>'
        for names in columns.cells:
            yield _cell(names, said, odd, letters)
        yield "</tr>"
    if len(rows) > _MOST_ROWS:
        left = f"and {len(rows) - _MOST_ROWS:,} more; the JSON output holds all of them"
        yield f'<tr><th scope="row">…</th><td colspan="{len(columns.cells)}">{left}</td></tr>'
    yield "</tbody>"


def _subject(each: Disagreement) -> str:
    facts = "".join(f"<p>{prose(fact.text)}</p>" for fact in each.facts)
    note = f"<p>{text(each.note)}</p>" if each.note else ""
    return f"<details><summary>{text(each.subject)}</summary><p>{prose(each.why)}</p>{note}{facts}</details>"


def _cell(names: Sequence[str], said: Mapping[str, str], odd: frozenset[str], letters: Mapping[str, str]) -> str:
    """Return what the reports of one column say, each value once, the most frequent first."""
    values = Counter(said.get(name) for name in names)
    told = [_value(value, number, len(names), letters) for value, number in values.most_common(_VALUES)]
    if len(values) > _VALUES:
        told.append(f"<small>and {len(values) - _VALUES:,} more</small>")
    strange = sum(name in odd for name in names)
    if strange:
        word = "odd" if strange == len(names) else f"{strange:,} odd"
        told.insert(
            0, f'<span class="mark"><span aria-hidden="true">≠ </span><span class="unheard">{word}: </span></span>'
        )
    return f"<td{' class=odd' if strange else ''}>{''.join(told)}</td>"


def _value(value: str | None, number: int, total: int, letters: Mapping[str, str]) -> str:
    times = f" <small>×{number:,}</small>" if number < total else ""
    if value is None:
        return f'<span class="unsaid">?<span class="unheard"> not said</span>{times}</span>'
    letter = f"<i>{letters[value]}</i> " if value in letters else ""
    return f"<span>{letter}{text(value)}{times}</span>"


def _letter(number: int) -> str:
    """Return A to Z, then AA and so on."""
    return ("" if number < 26 else _letter(number // 26 - 1)) + chr(ord("A") + number % 26)


def _about(comparison: Comparison, columns: Columns) -> Iterator[str]:
    """Yield what is said of each report: how it was judged, who signed it, when it was made."""
    about = {each.report: each for each in comparison.columns}
    told = [about[name] for (name,) in columns.cells]
    rows = [("Verified there", list(map(_verdict, told))), ("Signed by", list(map(_signer, told)))]
    yield '<tbody class="about">'
    for title, cells in rows:
        if any(cells):
            yield f'<tr><th scope="row">{title}</th>{_plain_cells(cell or "–" for cell in cells)}</tr>'
    yield f'<tr><th scope="row">Made on</th>{_plain_cells(text(each.created[:10]) for each in told)}</tr>'
    yield "</tbody>"


def _plain_cells(cells: Iterable[str]) -> str:
    return "".join(f"<td>{cell}</td>" for cell in cells)


def _verdict(column: Column) -> str:
    if column.outcome is None:
        return f'<span class="warn">? {text(column.reason)}</span>' if column.reason else ""
    word, meaning = _OUTCOMES[column.outcome]
    findings = f" <small>{count(column.findings, 'finding')}</small>" if column.findings else ""
    return f'<span class="{meaning}">{word}</span>{findings}'


def _signer(column: Column) -> str:
    if not column.signed:
        return ""
    if column.trusted:
        return f'<span class="good">✓ {text(column.signed)}</span>'
    return f"{text(column.signed)} <small>whom nobody here vouches for</small>"


def reports_table(comparison: Comparison, columns: Columns) -> Iterator[str]:
    """Yield every report with its group, where the matrix has no column for each."""
    if columns.single:
        return
    groups = {name: number for number, group in enumerate(columns.groups, 1) for name in group}
    odd = {name: each.subjects for each in comparison.odd for name in each.reports}
    told = sorted(comparison.columns, key=lambda each: groups[each.report])
    yield "<section>"
    yield f"<details open><summary>Reports <small>{len(told):,}</small></summary>"
    yield '<div class="matrix" role="region" aria-label="Reports" tabindex="0">'
    yield '<table class="reports"><thead><tr><th scope="col" class="corner">Report</th><th scope="col">Group</th>'
    yield '<th scope="col">Odd on</th><th scope="col">Verified there</th><th scope="col">Signed by</th>'
    yield '<th scope="col">Made on</th></tr></thead><tbody>'
    for each in told[:_MOST_REPORTS]:
        subjects = odd.get(each.report, ())
        more = f" and {len(subjects) - _VALUES:,} more" if len(subjects) > _VALUES else ""
        cells = (
            str(groups[each.report]),
            text(", ".join(subjects[:_VALUES]) + more) or "–",
            _verdict(each) or "–",
            _signer(each) or "–",
            text(each.created[:10]),
        )
        yield f'<tr><th scope="row">{text(each.report)}</th>{_plain_cells(cells)}</tr>'
    yield "</tbody></table>"
    yield "</div>"
    if len(told) > _MOST_REPORTS:
        yield f'<p class="more">and {len(told) - _MOST_REPORTS:,} more; the JSON output holds all of them</p>'
    yield "</details>"
    yield "</section>"
