"""A verdict as Markdown: for the comment on a pull request, or the step summary of GitHub Actions."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Verdict
from envlock.model.number_words import PASS_NAMES, because, merged, ulps_text
from envlock.model.numbers import Compared
from envlock.report.inert import COMMENT, block, code, folded, prose
from envlock.report.numbers import name_of_tally, outcome_of_tally, unequal
from envlock.report.sections import OUTCOMES, Section, counts, depth, fixes, not_judged, pasteable, proven, sections
from envlock.report.style import Meaning, count
from envlock.report.verdict import abbreviated

STEP_SUMMARY = 1_000_000
"""Bytes that fit into a step summary: GitHub takes 1 MiB of a step, what other commands wrote included."""
_ROW = 500
"""Bytes of a usual row, to begin with."""
_FIXES = 5
_COMMAND = 1_000
"""The longest command that is proposed: half of one is none."""
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
    lines = [f"## {MARKS[meaning]} {prose(summary.env)}: {word}", ""]
    numbers = ", ".join(counts(verdict.findings)) or "no findings"
    compared = f"{code(summary.target)} against the lock {code('sha256:' + summary.lock_digest[:12])}"
    looked_at = f"{prose(', '.join(proven(verdict)))}; {prose(depth(summary))}"
    lines += [f"{compared}: {looked_at}. {numbers.capitalize()}.", ""]
    for section in sections(verdict):
        lines += _section(section, most)
    if summary.numerics is not None:
        lines += _numbers(summary.numerics, most)
    if commands := [command for command in map(pasteable, fixes(verdict)) if len(command) <= _COMMAND]:
        lines += ["### Next", "", *block(commands[:_FIXES]), ""]
    if verdict.unjudged:
        lines += folded("Not judged", len(verdict.unjudged), _unjudged(verdict))
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
        return folded(section.heading, number, rows)
    return [f"### {section.heading} ({number:,})", "", *rows, ""]


def _row(finding: Finding, *, repeated: bool) -> str:
    why = f"waived: {finding.waiver}" if finding.waiver else "″" if repeated and finding.why else finding.why
    what = f"{code(finding.subject)}<br><sub>{prose(finding.rule)}</sub>"
    return f"| {what} | {code(finding.expected)} | {code(finding.found)} | {prose(why)} |"


def _numbers(compared: Compared, most: int) -> list[str]:
    """Return the counts of each suite, what explains the differences, and the unequal probes, folded."""
    lines = [f"### Numbers, against {code(compared.hardware)}", "", "| probes | outcome |", "| --- | --- |"]
    lines += [f"| {prose(name_of_tally(each))} | {prose(outcome_of_tally(each))} |" for each in compared.tallies]
    lines.append("")
    if compared.explanations:
        lines += [*(f"- {prose(because(each))}" for each in merged(compared.explanations)), ""]
    rows = unequal(compared)
    table = ["| probe | pass | outcome | distance | why |", "| --- | --- | --- | --- | --- |"]
    for row in rows[:most]:
        distance = ulps_text(row.ulps) if row.ulps is not None and not row.reason else ""
        cells = [code(row.probe), PASS_NAMES[row.which], row.state, distance, prose(row.reason)]
        table.append(f"| {' | '.join(cells)} |")
    if len(rows) > most:
        table.append(f"| and {len(rows) - most:,} more | | | | |")
    return lines + (folded("Probes that are not equal", len(rows), table) if rows else [])


def _unjudged(verdict: Verdict) -> Iterator[str]:
    for reason, rules in not_judged(verdict).items():
        yield f"- {count(len(rules), 'rule')}, {prose(reason)}: {', '.join(map(prose, rules))}"
