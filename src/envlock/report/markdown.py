"""A verdict as Markdown: for the comment on a pull request, or the step summary of GitHub Actions.

What a target calls itself stands in `code` and every punctuation mark of it is an entity, so that it can neither end a
table's cell, nor become a link or HTML, nor mention anybody: GitHub and GitLab look for none of that inside of code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from envlock.errors import one_line
from envlock.model.finding import Finding, Verdict
from envlock.model.number_words import PASS_NAMES, because, merged, ulps_text
from envlock.model.numbers import Compared
from envlock.report.numbers import name_of_tally, outcome_of_tally, unequal
from envlock.report.sections import OUTCOMES, Section, counts, depth, fixes, not_judged, pasteable, proven, sections
from envlock.report.style import Meaning, count
from envlock.report.verdict import abbreviated

COMMENT = 65_000
"""Bytes that fit into a comment: GitHub takes 65,536 characters."""
STEP_SUMMARY = 1_000_000
"""Bytes that fit into a step summary: GitHub takes 1 MiB of a step, what other commands wrote included."""
_ROW = 500
"""Bytes of a usual row, to begin with."""
_WIDEST = 300
_FIXES = 5
_COMMAND = 1_000
"""The longest command that is proposed: half of one is none."""
_SYNTAX = re.compile(r"[^\w\s.,/\-]|_|^www|(?<=\W)www", re.ASCII)
MARKS: dict[Meaning, str] = {"good": "✓", "warn": "?", "bad": "✗", "faint": "", "strong": ""}


def verdict_markdown(verdict: Verdict, *, limit: int = COMMENT) -> str:
    """Return the verdict as GitHub-flavoured Markdown of at most `limit` bytes: long lists are cut and counted."""
    most = max(1, limit // _ROW)
    while True:
        text = _document(verdict, most)
        if len(text.encode("utf-8", "backslashreplace")) <= limit or most == 0:
            return text
        most //= 2


def _document(verdict: Verdict, most: int) -> str:
    summary = verdict.summary
    word, meaning = OUTCOMES[verdict.outcome]
    lines = [f"## {MARKS[meaning]} {_prose(summary.env)}: {word}", ""]
    numbers = ", ".join(counts(verdict.findings)) or "no findings"
    compared = f"{_code(summary.target)} against the lock {_code('sha256:' + summary.lock_digest[:12])}"
    looked_at = f"{_prose(', '.join(proven(verdict)))}; {_prose(depth(summary))}"
    lines += [f"{compared}: {looked_at}. {numbers.capitalize()}.", ""]
    for section in sections(verdict):
        lines += _section(section, most)
    if summary.numerics is not None:
        lines += _numbers(summary.numerics, most)
    if commands := [command for command in map(pasteable, fixes(verdict)) if len(command) <= _COMMAND]:
        lines += ["### Next", "", *_block(commands[:_FIXES]), ""]
    if verdict.unjudged:
        lines += _folded("Not judged", len(verdict.unjudged), _unjudged(verdict))
    return "\n".join(lines).rstrip("\n") + "\n"


def _section(section: Section, most: int) -> list[str]:
    number = len(section.findings)
    rows = ["| what | expected | found | why |", "| --- | --- | --- | --- |"]
    why = ""
    for finding in map(abbreviated, section.findings[:most]):
        rows.append(_row(finding, repeated=finding.why == why))
        why = finding.why
    if number > most:
        rows.append(f"| and {number - most:,} more | | | |")
    if section.meaning == "faint":
        return _folded(section.heading, number, rows)
    return [f"### {section.heading} ({number:,})", "", *rows, ""]


def _row(finding: Finding, *, repeated: bool) -> str:
    why = f"waived: {finding.waiver}" if finding.waiver else "″" if repeated and finding.why else finding.why
    what = f"{_code(finding.subject)}<br><sub>{_prose(finding.rule)}</sub>"
    return f"| {what} | {_code(finding.expected)} | {_code(finding.found)} | {_prose(why)} |"


def _numbers(compared: Compared, most: int) -> list[str]:
    """Return the counts of each suite, what explains the differences, and the unequal probes, folded."""
    lines = [f"### Numbers, against {_code(compared.hardware)}", "", "| probes | outcome |", "| --- | --- |"]
    lines += [f"| {_prose(name_of_tally(each))} | {_prose(outcome_of_tally(each))} |" for each in compared.tallies]
    lines.append("")
    if compared.explanations:
        lines += [*(f"- {_prose(because(each))}" for each in merged(compared.explanations)), ""]
    rows = unequal(compared)
    table = ["| probe | pass | outcome | distance | why |", "| --- | --- | --- | --- | --- |"]
    for row in rows[:most]:
        distance = ulps_text(row.ulps) if row.ulps is not None and not row.reason else ""
        cells = [_code(row.probe), PASS_NAMES[row.which], row.state, distance, _prose(row.reason)]
        table.append(f"| {' | '.join(cells)} |")
    if len(rows) > most:
        table.append(f"| and {len(rows) - most:,} more | | | | |")
    return lines + (_folded("Probes that are not equal", len(rows), table) if rows else [])


def _folded(heading: str, number: int, rows: Iterable[str]) -> list[str]:
    return [f"<details><summary>{heading} ({number:,})</summary>", "", *rows, "", "</details>", ""]


def _unjudged(verdict: Verdict) -> Iterator[str]:
    for reason, rules in not_judged(verdict).items():
        yield f"- {count(len(rules), 'rule')}, {_prose(reason)}: {', '.join(map(_prose, rules))}"


def _block(rows: Sequence[str]) -> list[str]:
    """Return commands as a fenced block whose fence is longer than any run of backticks in it."""
    longest = max((len(run) for row in rows for run in re.findall("`+", row)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}sh", *rows, fence]


def _code(text: str) -> str:
    return f"<code>{_inert(_cut(text))}</code>" if text else ""


def _prose(text: str) -> str:
    """Return text outside of code, where `@` and `#` would still find somebody if they stood at a word."""
    return re.sub(r"&#(64|35);", r"&#\1;&#8203;", _inert(_cut(text)))


def _inert(text: str) -> str:
    return _SYNTAX.sub(lambda match: f"&#{ord(match[0][0])};{match[0][1:]}", text)


def _cut(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _WIDEST else line[: _WIDEST - 1] + "…"
