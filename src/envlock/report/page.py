"""A verdict as one HTML file. Filters are CSS; the script adds buttons to copy and a search field."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from envlock.model.finding import Finding, Rule, Summary, Verdict
from envlock.model.size import size_text
from envlock.report.chart import chart_style
from envlock.report.markdown import MARKS
from envlock.report.page_frame import asset, page
from envlock.report.page_numbers import numbers_section
from envlock.report.page_tables import prose, rules_table, seen_tables, text
from envlock.report.sections import (
    NOUNS,
    OUTCOMES,
    Section,
    command_of,
    common_fix,
    counts,
    depth,
    fixes,
    pasteable,
    sections,
)
from envlock.report.style import Meaning, count

_MOST = 300
"""Findings of one section that are shown, so that a browser opens the page at once; the rest are counted."""
_FIXES = 5
_SENTENCES = {
    "match": "The target is what the lock says.",
    "drift": "The target is not what the lock says.",
    "unverified": "It could not be seen whether the target is what the lock says.",
    "integrity": "Bytes of the target contradict the digests that vouch for them.",
}


def verdict_html(verdict: Verdict, rules: Sequence[Rule], *, everything: bool = False) -> str:
    """Return the verdict as a page for people.

    Args:
        verdict: of one target.
        rules: all that were asked; the page ends with what became of each.
        everything: show every finding, however many there are.
    """
    word, meaning = OUTCOMES[verdict.outcome]
    body = [
        *_header(verdict, word, meaning),
        "<main>",
        *_next(verdict),
        *_filters(verdict.findings),
        *(line for section in sections(verdict) for line in _section(section, everything=everything)),
        *numbers_section(verdict.summary.numerics, everything=everything),
        *seen_tables(verdict.summary),
        *rules_table(verdict, rules),
        "</main>",
    ]
    title = f"{verdict.summary.env}: {word} · envlock verify"
    return page(title, body, style=asset("verdict.css") + chart_style(), script=asset("copy.js") + asset("verdict.js"))


def _header(verdict: Verdict, word: str, meaning: Meaning) -> Iterator[str]:
    summary = verdict.summary
    yield "<header>"
    yield f'<div class="banner {meaning}">'
    mark = f'<span aria-hidden="true">{MARKS[meaning]}</span> '
    yield f"<h1>{mark}{text(summary.env)}: {word}</h1>"
    numbers = ", ".join(counts(verdict.findings)) or "Nothing was found"
    told = summary.claim or (summary.mode == "quick" and verdict.outcome == "match")
    sentence = _SENTENCES[verdict.outcome].rstrip(".") + (f", {text(depth(summary))}." if told else ".")
    yield f"<p>{sentence} {text(numbers.capitalize())}.</p>"
    yield f"<p>Target <code>{text(summary.target)}</code></p>"
    yield "</div>"
    yield '<ul class="proven">'
    for value, label in _figures(summary):
        yield f"<li><b>{text(value)}</b><span>{text(label)}</span></li>"
    yield "</ul>"
    yield "</header>"


def _figures(summary: Summary) -> Iterator[tuple[str, str]]:
    total = f" of {summary.locked_packages:,}" if summary.packages != summary.locked_packages else ""
    yield f"{summary.packages:,}{total}", "packages" if summary.files else "packages at the locked version"
    if summary.files:
        yield f"{summary.files:,}", f"files ({size_text(summary.size)})"
    else:
        yield summary.mode, depth(summary)
    if summary.python:
        yield summary.python, "Python"
    if summary.hardware:
        yield summary.hardware, "hardware"
    if summary.numerics is not None:
        yield (
            f"{summary.numerics.states.get('equal', 0):,} of {summary.numerics.probes:,}",
            "probes without a difference",
        )


def _next(verdict: Verdict) -> Iterator[str]:
    commands = fixes(verdict)
    if not commands:
        return
    yield '<section class="next" aria-labelledby="next">'
    yield '<h2 id="next">What to do next</h2>'
    yield "<ol>"
    for command in commands[:_FIXES]:
        yield f"<li>{_command(command)}</li>"
    yield "</ol>"
    if len(commands) > _FIXES:
        yield f'<p class="more">and {count(len(commands) - _FIXES, "more command")}, at the findings below</p>'
    yield "</section>"


def _filters(findings: Sequence[Finding]) -> Iterator[str]:
    kinds = [_kind(finding) for finding in findings]
    if not kinds:
        return
    yield "<fieldset>"
    yield "<legend>Show</legend>"
    for kind in ("error", "warning", "waived", "note"):
        if number := kinds.count(kind):
            label = f"{number:,} waived" if kind == "waived" else count(number, kind)
            yield f'<label><input type="checkbox" id="show-{kind}" checked> {label}</label>'
    yield "</fieldset>"


def _kind(finding: Finding) -> str:
    return "waived" if finding.waiver else NOUNS[finding.severity]


def _section(section: Section, *, everything: bool) -> Iterator[str]:
    shown = section.findings if everything else section.findings[:_MOST]
    number = len(section.findings)
    yield f'<section class="{_kind(shown[0])}">'
    yield f"<h2>{text(section.heading)} <small>{number:,}</small></h2>"
    for _, alike in groupby(shown, key=lambda each: (each.rule, each.why, command_of(each.fix), each.waiver)):
        yield from _card(list(alike), section.meaning)
    if number > len(shown):
        yield f'<p class="more">and {number - len(shown):,} more; the JSON output holds all of them</p>'
    yield "</section>"


def _card(alike: Sequence[Finding], meaning: Meaning) -> Iterator[str]:
    """Yield one card for findings of one rule that matter for one reason and are mended by one command."""
    first = alike[0]
    rule = text(first.rule)
    link = f'<a href="#rule-{rule}">{rule}</a>'
    yield f'<article class="{meaning}">'
    if len(alike) == 1:
        yield f"<h3><code>{text(first.subject)}</code> {link}</h3>"
        yield from _pair(first)
    else:
        yield f"<h3>{len(alike):,} findings {link}</h3>"
        yield '<table class="alike"><thead><tr><th scope="col">what</th><th scope="col">expected</th>'
        yield '<th scope="col">found</th></tr></thead><tbody>'
        for finding in alike:
            cells = "".join(f"<td><code>{text(value)}</code></td>" for value in (finding.expected, finding.found))
            yield f'<tr><th scope="row"><code>{text(finding.subject)}</code></th>{cells}</tr>'
        yield "</tbody></table>"
    if first.why:
        yield f"<p>{prose(first.why)}</p>"
    if first.waiver:
        yield f'<p class="waiver">Waived: {text(first.waiver)}</p>'
    elif first.fix:
        yield _command(common_fix([finding.fix for finding in alike]))
    yield "</article>"


def _pair(finding: Finding) -> Iterator[str]:
    pair = [(name, value) for name, value in (("expected", finding.expected), ("found", finding.found)) if value]
    if pair:
        yield '<dl class="pair">'
        for name, value in pair:
            yield f"<div><dt>{name}</dt><dd><code>{text(value)}</code></dd></div>"
        yield "</dl>"


def _command(command: str) -> str:
    return f'<div class="fix"><pre>{text(pasteable(command))}</pre></div>'
