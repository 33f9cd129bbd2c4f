"""A comparison of reports as Markdown: for a pull request's comment or a step summary, inert whatever it tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from envlock.model.comparison import Agreement, Comparison, Disagreement
from envlock.model.finding import IMPACTS, Impact
from envlock.report.about_reports import about_reports
from envlock.report.inert import COMMENT, code, folded, prose
from envlock.report.markdown import MARKS
from envlock.report.style import Meaning, count

_OUTCOMES: dict[Agreement, tuple[str, Meaning]] = {
    "agree": ("agree", "good"),
    "disagree": ("disagree", "bad"),
    "unknown": ("not all could be compared", "warn"),
}
_HEADINGS: dict[Impact, str] = {
    "results": "Changes results",
    "security": "Security",
    "compat": "May matter",
    "cosmetic": "Cosmetic",
}
_ROW = 500
"""Bytes of a usual row, to begin with."""
_NAMED = 3


def comparison_markdown(comparison: Comparison, *, limit: int = COMMENT) -> str:
    """Return the comparison as GitHub-flavoured Markdown of at most `limit` bytes: long lists are cut and counted."""
    most = max(1, limit // _ROW)
    while True:
        text = _document(comparison, most)
        if len(text.encode("utf-8", "backslashreplace")) <= limit or most == 0:
            return text
        most //= 2


def _document(comparison: Comparison, most: int) -> str:
    word, meaning = _OUTCOMES[comparison.outcome]
    lines = [f"## {MARKS[meaning]} {count(len(comparison.reports), 'report')}: {word}", ""]
    facts = [*comparison.shared, f"{count(comparison.packages, 'package')} the same"]
    facts += [f"{title.lower()}: {told}" for title, told in about_reports(comparison.columns) if told]
    lines += [f"{prose('; '.join(facts))}.", ""]
    if comparison.odd:
        rows = (f"- {_names(each.reports)}: {_names(each.subjects)}" for each in comparison.odd[:most])
        lines += ["### Odd one out", "", *rows, *_left(len(comparison.odd) - most), ""]
    for impact in IMPACTS:
        lines += _section(impact, [each for each in comparison.disagreements if each.impact == impact], most)
    if comparison.fix:
        lines += ["### Next", "", *(f"- {prose(fix)}" for fix in comparison.fix[:_NAMED]), ""]
    if comparison.unseen:
        unseen = comparison.unseen[:most]
        rows = (f"- {prose(each.subject)}: {prose(each.reason)} ({_names(each.reports)})" for each in unseen)
        lines += folded("Not compared", len(comparison.unseen), [*rows, *_left(len(comparison.unseen) - most)])
    return "\n".join(lines).rstrip("\n") + "\n"


def _section(impact: Impact, found: Sequence[Disagreement], most: int) -> list[str]:
    if not found:
        return []
    rows = ["| what | who says what | why |", "| --- | --- | --- |"]
    why = ""
    for each in found[:most]:
        groups = sorted(each.groups, key=lambda group: -len(group.reports))
        said = [f"{code(group.value)} {_names(group.reports)}" for group in groups[:_NAMED]]
        said += [f"and {len(groups) - _NAMED:,} more"] if len(groups) > _NAMED else []
        # What is known of a step between two releases says more than why the package matters at all.
        told = each.facts[0].text if each.facts else "″" if each.why == why else each.why
        rows.append(f"| {code(each.subject)} | {'<br>'.join(said)} | {prose(told)} |")
        why = each.why
    if len(found) > most:
        rows.append(f"| and {len(found) - most:,} more | | |")
    if impact == "cosmetic":
        return folded(_HEADINGS[impact], len(found), rows)
    return [f"### {_HEADINGS[impact]} ({len(found):,})", "", *rows, ""]


def _names(texts: Sequence[str]) -> str:
    more = len(texts) - _NAMED
    return ", ".join(map(code, texts[:_NAMED])) + (f" and {more:,} more" if more > 0 else "")


def _left(number: int) -> Iterator[str]:
    if number > 0:
        yield f"- and {number:,} more"
