"""A comparison of reports as text, what changes results first, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import msgspec

from envlock.errors import one_line
from envlock.model.comparison import Comparison, Disagreement, Group, Unseen
from envlock.model.finding import IMPACTS, Impact
from envlock.report.about_reports import about_reports
from envlock.report.facts import fact_lines
from envlock.report.style import Meaning, Style, columns_of, count, padded, plain, wrapped

SCHEMA = 1
_LABELS: dict[Impact, tuple[str, Meaning]] = {
    "results": ("RESULTS", "bad"),
    "security": ("security", "bad"),
    "compat": ("compat", "warn"),
    "cosmetic": ("cosmetic", "faint"),
}
_LABEL = max(len(label) for label, _ in _LABELS.values())
_COLUMNS = 4
"""More reports than these are told in groups."""
_CELL, _SUBJECT = 26, 28
_MOST: dict[Impact, int] = {"results": 12, "security": 12, "compat": 5, "cosmetic": 0}
"""Rows of an impact that are listed; the rest are counted."""
_NAMED = 3
_ODD, _SUBJECTS = 8, 4
"""Odd reports, and on what each is, that are listed."""


def comparison_json(comparison: Comparison) -> str:
    """Return the comparison as JSON, schema 1: later versions of it only add keys."""
    document = {"schema": SCHEMA, "exit_code": comparison.exit_code, **msgspec.to_builtins(comparison)}
    return json.dumps(document, indent=2, ensure_ascii=False)


def comparison_text(comparison: Comparison, *, style: Style = plain, width: int = 100, everything: bool = False) -> str:
    """Return the comparison for people; `everything` lists differences that are else only counted."""
    lines = [_heading(comparison, style), ""]
    columns = _columns(comparison, width)
    if columns is not None and comparison.disagreements:
        lines.append(" " * (_LABEL + columns.subject + 4) + style(columns.cells(comparison.reports), "strong"))
    for impact in IMPACTS:
        rows = [each for each in comparison.disagreements if each.impact == impact]
        most = len(rows) if everything else _MOST[impact]
        lines += _rows(rows[:most], comparison, columns, style, width, everything=everything)
        lines += _left_out(rows[most:], style, width)
    if comparison.disagreements:
        lines.append("")
    if comparison.odd:
        lines += [style("Odd one out", "strong"), *_odd(comparison, style, width, everything=everything), ""]
    lines += _about(comparison, style, width)
    if comparison.unseen:
        lines += [style("Not compared", "strong"), *_unseen(comparison, style, width), ""]
    lines += _next(comparison, style)
    lines.append(_summary(comparison, style))
    return "\n".join(lines) + "\n"


class _Columns(msgspec.Struct, frozen=True, kw_only=True):
    """The widths of a table with a column for each report."""

    subject: int
    widths: tuple[int, ...]

    def cells(self, values: Sequence[str]) -> str:
        """Return one row's cells."""
        return "  ".join(padded(value, width) for value, width in zip(values, self.widths, strict=True)).rstrip()


def _columns(comparison: Comparison, width: int) -> _Columns | None:
    """Return the widths of the table, None where it does not fit."""
    if len(comparison.reports) > _COLUMNS:
        return None
    widths = [columns_of(name) for name in comparison.reports]
    subject = 0
    for each in comparison.disagreements:
        subject = max(subject, min(columns_of(one_line(each.subject)), _SUBJECT))
        for at, value in enumerate(_values(each, comparison.reports)):
            widths[at] = max(widths[at], min(columns_of(value), _CELL))
    columns = _Columns(subject=subject, widths=tuple(widths))
    return columns if _LABEL + subject + 4 + sum(widths) + 2 * len(widths) <= width else None


def _values(each: Disagreement, reports: Sequence[str]) -> list[str]:
    said = {name: group.value for group in each.groups for name in group.reports}
    return [one_line(said.get(name, "?")) for name in reports]


def _heading(comparison: Comparison, style: Style) -> str:
    number = len(comparison.reports)
    names = " | ".join(comparison.reports) if number <= _COLUMNS else count(number, "report")
    shared = one_line(", ".join(comparison.shared))
    return style(names, "strong") + (f": {shared}" if shared else "")


def _rows(
    rows: Sequence[Disagreement],
    comparison: Comparison,
    columns: _Columns | None,
    style: Style,
    width: int,
    *,
    everything: bool,
) -> Iterator[str]:
    indent = " " * (_LABEL + 2)
    for at, each in enumerate(rows):
        text, meaning = _LABELS[each.impact]
        label = style(f"{text:<{_LABEL}}", meaning)
        note = style(f"  {one_line(each.note)}", "faint") if each.note else ""
        values = _values(each, comparison.reports)
        subject = one_line(each.subject)
        if columns is None:
            yield f"{label}  {subject}{note}"
            widest = max(columns_of(one_line(group.value)) for group in each.groups)
            for group in _largest(each.groups):
                yield f"{indent}  {_group(group, min(widest, _CELL), width - len(indent) - 2)}"
        elif all(columns_of(value) <= _CELL for value in values) and columns_of(subject) <= columns.subject:
            yield f"{label}  {padded(subject, columns.subject)}  {columns.cells(values)}{note}"
        else:
            yield f"{label}  {subject}{note}"
            names = max(map(columns_of, comparison.reports))
            for name, value in zip(comparison.reports, values, strict=True):
                yield f"{indent}  {padded(name, names)}  {value}"
        one, other = (group.value for group in each.groups) if len(each.groups) == 2 else ("", "")
        yield from fact_lines(each.facts, one, other, indent + "  ", style, width, everything=everything)
        following = rows[at + 1] if at + 1 < len(rows) else None
        if not each.facts and (following is None or following.why != each.why or following.facts):
            yield from (style(line, "faint") for line in wrapped(each.why, indent + "  ", width))


def _largest(groups: Sequence[Group]) -> list[Group]:
    return sorted(groups, key=lambda group: -len(group.reports))


def _group(group: Group, widest: int, width: int) -> str:
    names = ", ".join(group.reports[:_NAMED])
    more = len(group.reports) - _NAMED
    line = f"{padded(one_line(group.value), widest)}  {len(group.reports):,}: {names}" + (
        f" and {more} more" if more > 0 else ""
    )
    return line if len(line) <= max(width, 40) else line[: max(width, 40) - 1] + "…"


def _left_out(rows: Sequence[Disagreement], style: Style, width: int) -> Iterator[str]:
    """Yield one line for what is not listed."""
    if not rows:
        return
    text, meaning = _LABELS[rows[0].impact]
    subjects = ", ".join(one_line(each.subject) for each in rows[:8]) + (", …" if len(rows) > 8 else "")
    first, *rest = wrapped(f"{len(rows)} more: {subjects}  (--verbose lists all)", " " * (_LABEL + 2), width)
    yield style(f"{text:<{_LABEL}}", meaning) + style(first[_LABEL:], "faint")
    yield from (style(line, "faint") for line in rest)


def _odd(comparison: Comparison, style: Style, width: int, *, everything: bool) -> Iterator[str]:
    """Yield a line for each report that says something else than most, on what changes results first."""
    told = comparison.odd if everything else comparison.odd[:_ODD]
    names = [_called(each.reports) for each in told]
    longest = max(map(columns_of, names))
    for shown, each in zip(names, told, strict=True):
        most = len(each.subjects) if everything else _SUBJECTS
        more = len(each.subjects) - most
        subjects = ", ".join(map(one_line, each.subjects[:most])) + (f" and {more} more" if more > 0 else "")
        first, *rest = wrapped(subjects, " " * (longest + 4), width)
        name = style(padded(shown, longest), "bad" if each.results else "warn")
        yield f"  {name}  {first.strip()}"
        yield from rest
    if len(comparison.odd) > len(told):
        more = sum(len(each.reports) for each in comparison.odd[len(told) :])
        yield style(f"  and {count(more, 'more report')}  (--verbose lists all)", "faint")


def _called(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" +{more:,}" if more > 0 else "")


def _about(comparison: Comparison, style: Style, width: int) -> list[str]:
    """Return what reports say that they were judged where they were made, and who signed them."""
    lines = [f"{title}: {one_line(told)}" for title, told in about_reports(comparison.columns) if told]
    return [style(line, "faint") for text in lines for line in wrapped(text, "", width)] + ([""] if lines else [])


def _unseen(comparison: Comparison, style: Style, width: int) -> Iterator[str]:
    for each in comparison.unseen:
        mark = style("?", "warn" if each.failed else "faint")
        text = f"{one_line(each.subject)}: {one_line(each.reason).rstrip('.')}{_whose(each, comparison)}"
        tail = f"  ({one_line(each.hint)})" if each.hint else ""
        first, *rest = wrapped(text + tail, "    ", width)
        yield f"  {mark} {first[4:]}"
        yield from rest


def _whose(each: Unseen, comparison: Comparison) -> str:
    if len(each.reports) == len(comparison.reports):
        return ""
    more = len(each.reports) - _NAMED
    return f" ({', '.join(each.reports[:_NAMED])}{f' and {more} more' if more > 0 else ''})"


def _next(comparison: Comparison, style: Style) -> Iterator[str]:
    for at, fix in enumerate(comparison.fix[:3]):
        yield (style("next:", "strong") if at == 0 else "     ") + f"  {one_line(fix)}"
    if comparison.fix:
        yield ""


def _summary(comparison: Comparison, style: Style) -> str:
    number = count(len(comparison.reports), "report")
    packages = f"{count(comparison.packages, 'package')} the same"
    if comparison.outcome == "agree":
        return f"{number}: {style('agree', 'good')} in all that they hold and that matters, {packages}"
    if comparison.outcome == "unknown":
        return f"{number}: {style('not all could be compared', 'warn')}, nothing else differs, {packages}"
    counts = [
        f"{rows} {_LABELS[impact][0]}"
        for impact in IMPACTS
        if (rows := sum(each.impact == impact for each in comparison.disagreements))
    ]
    parts = f" in {len(comparison.groups)} groups" if len(comparison.reports) > 2 else ""
    told = ", ".join(counts)
    return f"{number}: {style('disagree', 'bad')}{parts} ({told}), {packages}"
