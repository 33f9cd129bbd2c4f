"""A comparison of reports as one HTML file: factors down, reports across, those that agree side by side.

A few reports have a column each. Many have one for each group that agrees in all that changes results, since nobody
reads a hundred columns, and a table of their own below.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from envlock.model.comparison import Agreement, Comparison, Odd
from envlock.model.finding import IMPACTS
from envlock.report.about_reports import about_reports
from envlock.report.markdown import MARKS
from envlock.report.matrix_table import HEADINGS, Columns, matrix_table, reports_table
from envlock.report.page_frame import asset, page
from envlock.report.page_tables import prose, text
from envlock.report.style import Meaning, count

_ODD, _SUBJECTS = 12, 6
_NAMED = 3
_OUTCOMES: dict[Agreement, tuple[str, Meaning, str]] = {
    "agree": ("agree", "good", "They agree in all that they hold and that matters."),
    "disagree": ("disagree", "bad", "They do not agree in all that matters."),
    "unknown": ("not all compared", "warn", "Nothing differs, and not all could be compared."),
}


def comparison_html(comparison: Comparison) -> str:
    """Return the comparison as a page for people."""
    word, meaning, sentence = _OUTCOMES[comparison.outcome]
    number = count(len(comparison.reports), "report")
    columns = Columns.of(comparison)
    body = [
        *_header(comparison, f"{number}: {word}", meaning, sentence),
        '<main class="wide">',
        *_next(comparison.fix),
        *_odd(comparison.odd),
        *_matrix(comparison, columns),
        *reports_table(comparison, columns),
        *_unseen(comparison),
        "</main>",
    ]
    style = asset("verdict.css") + asset("matrix.css")
    return page(f"{number}: {word} · envlock compare", body, style=style, script=asset("copy.js") + asset("matrix.js"))


def _header(comparison: Comparison, title: str, meaning: Meaning, sentence: str) -> Iterator[str]:
    yield '<header class="wide">'
    yield f'<div class="banner {meaning}">'
    yield f'<h1><span aria-hidden="true">{MARKS[meaning]}</span> {text(title)}</h1>'
    shared = ", ".join(comparison.shared)
    yield f"<p>{sentence}{f' {text(shared[0].upper() + shared[1:])}.' if shared else ''}</p>"
    for name, told in about_reports(comparison.columns):
        if told:
            yield f"<p>{name}: {text(told)}.</p>"
    yield "</div>"
    yield '<ul class="proven">'
    for value, label in _figures(comparison):
        yield f"<li><b>{value:,}</b><span>{label}</span></li>"
    yield "</ul>"
    yield "</header>"


def _figures(comparison: Comparison) -> Iterator[tuple[int, str]]:
    yield len(comparison.reports), "reports"
    groups = len(comparison.groups)
    yield groups, "group that agrees in all that changes results" if groups == 1 else "groups by what changes results"
    yield sum(each.impact == "results" for each in comparison.disagreements), "differences that change results"
    yield comparison.packages, "packages with one version everywhere"


def _next(fixes: Sequence[str]) -> Iterator[str]:
    if not fixes:
        return
    yield '<section class="next" aria-labelledby="next">'
    yield '<h2 id="next">What to do next</h2>'
    yield "<ol>"
    for fix in fixes:
        sentence, colon, command = fix.partition(": ")
        if colon and command.startswith("envlock "):
            yield f'<li><p>{text(sentence)}</p><div class="fix"><pre>{text(command)}</pre></div></li>'
        else:
            yield f"<li><p>{text(fix)}</p></li>"
    yield "</ol>"
    yield "</section>"


def _odd(odd: Sequence[Odd]) -> Iterator[str]:
    if not odd:
        return
    yield '<section aria-labelledby="odd">'
    yield f'<h2 id="odd">Odd one out <small>against what more than half say; {_reports(odd):,}</small></h2>'
    yield '<ul class="odd-ones">'
    for each in odd[:_ODD]:
        subjects = ", ".join(f"<code>{text(subject)}</code>" for subject in each.subjects[:_SUBJECTS])
        more = len(each.subjects) - _SUBJECTS
        tone = "bad" if each.results else "warn"
        rest = f" and {more:,} more" if more > 0 else ""
        yield f'<li class="{tone}"><b>{_called(each.reports)}</b> {subjects}{rest}</li>'
    yield "</ul>"
    if len(odd) > _ODD:
        yield f'<p class="more">and {count(_reports(odd[_ODD:]), "more report")}, in the table of reports</p>'
    yield "</section>"


def _reports(odd: Sequence[Odd]) -> int:
    return sum(len(each.reports) for each in odd)


def _matrix(comparison: Comparison, columns: Columns) -> Iterator[str]:
    if not comparison.disagreements:
        return
    yield '<section aria-labelledby="matrix">'
    yield f'<h2 id="matrix">Who says what <small>{count(len(comparison.disagreements), "difference")}</small></h2>'
    yield "<fieldset>"
    yield "<legend>Show</legend>"
    for impact in IMPACTS:
        if rows := sum(each.impact == impact for each in comparison.disagreements):
            checked = "" if impact == "cosmetic" else " checked"
            label = f"{HEADINGS[impact][0]} ({rows:,})"
            yield f'<label><input type="checkbox" id="show-{impact}"{checked}> {label}</label>'
    yield "</fieldset>"
    yield from matrix_table(comparison, columns)
    yield "</section>"


def _unseen(comparison: Comparison) -> Iterator[str]:
    if not comparison.unseen:
        return
    yield '<section aria-labelledby="unseen">'
    yield f'<h2 id="unseen">Not compared <small>{len(comparison.unseen):,}</small></h2>'
    yield '<ul class="unseen">'
    for each in comparison.unseen:
        whose = f" ({_called(each.reports)})"
        hint = f"; <code>{text(each.hint)}</code>" if each.hint else ""
        everybody = len(each.reports) == len(comparison.reports)
        yield (
            f'<li class="{"warn" if each.failed else "faint"}"><b>{text(each.subject)}</b> '
            f"{prose(each.reason.rstrip('.'))}{'' if everybody else whose}{hint}</li>"
        )
    yield "</ul>"
    yield "</section>"


def _called(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(map(text, names[:_NAMED])) + (f" and {more:,} more" if more > 0 else "")
