"""A verdict as text: what differs, why it matters and the command that mends it; or as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

import msgspec

from envlock.errors import one_line
from envlock.model.finding import Finding, Verdict
from envlock.report.facts import fact_lines
from envlock.report.numbers import has_news, numbers_text
from envlock.report.sections import OUTCOMES, Section, counts, depth, fixes, not_judged, proven, sections
from envlock.report.style import Meaning, Style, columns_of, count, padded, plain, wrapped

SCHEMA = 1
_MOST = 12
"""Findings of one kind that are listed; the rest are counted."""
_FIXES = 3
_SUBJECT, _VALUE = 40, 34
"""The widest subject and expectation that still stand in one line with what was found."""
_DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")
_MARKS = {"unknown": "?", "integrity": "✗", "drift": "✗"}


def verdict_json(verdict: Verdict) -> str:
    """Return the verdict as JSON by docs/schemas/verdict-v1.json: later versions of schema 1 only add keys."""
    document = {
        "schema": SCHEMA,
        "verdict": verdict.outcome,
        "exit_code": verdict.exit_code,
        "summary": msgspec.to_builtins(verdict.summary),
        "findings": msgspec.to_builtins(verdict.findings),
        "unjudged": dict(verdict.unjudged),
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def verdict_text(verdict: Verdict, *, style: Style = plain, width: int = 100, everything: bool = False) -> str:
    """Return the verdict for people; `everything` lists findings that are else only counted, and what was not judged.

    Notes are listed with `everything` only; findings that the manifest waives are always shown.
    """
    shown = [section for section in sections(verdict) if everything or section.heading != "Notes"]
    lines: list[str] = []
    if shown:
        summary = verdict.summary
        lines += [style(f"{one_line(summary.env)} (locked) → {one_line(summary.target)} (found)", "strong"), ""]
    for section in shown:
        lines += _section(section, style, width, everything=everything)
    compared = verdict.summary.numerics
    if compared is not None and (everything or has_news(compared)):
        lines += numbers_text(compared, style, width, everything=everything)
    if everything and verdict.unjudged:
        lines += _not_judged(verdict, style, width)
    if mending := fixes(verdict):
        most = len(mending) if everything else _FIXES
        for at, fix in enumerate(mending[:most]):
            lines.append((style("next:", "strong") if at == 0 else "     ") + f"  {one_line(fix)}")
        lines.append("")
    hidden = not everything and any(finding.severity == "info" and not finding.waiver for finding in verdict.findings)
    lines.append(summary_line(verdict, style, hint="--verbose lists notes" if hidden else ""))
    return "\n".join(lines) + "\n"


def summary_line(verdict: Verdict, style: Style = plain, *, hint: str = "") -> str:
    """Return the one line that says how much was looked at and how it went; a hint follows the numbers."""
    word, meaning = OUTCOMES[verdict.outcome]
    text = f"{one_line(verdict.summary.env)}: {', '.join(proven(verdict))}: {style(word, meaning)}"
    if tail := ", ".join(counts(verdict.findings)):
        text += f" ({tail}; {hint})" if hint else f" ({tail})"
    if verdict.summary.claim or (verdict.summary.mode == "quick" and verdict.outcome == "match"):
        text += style(f" {depth(verdict.summary)}", "faint")
    return text


def _section(section: Section, style: Style, width: int, *, everything: bool) -> Iterator[str]:
    yield style(section.heading, "strong")
    findings = section.findings
    most = len(findings) if everything else _MOST
    shown = [abbreviated(finding) for finding in findings[:most]]
    wide = [(columns_of(finding.subject), columns_of(finding.expected)) for finding in shown]
    subjects = max((subject for subject, _ in wide if subject <= _SUBJECT), default=0)
    values = max((value for subject, value in wide if value <= _VALUE and subject <= _SUBJECT), default=0)
    for at, finding in enumerate(shown):
        yield from _row(finding, subjects, values, section.meaning, style, width)
        if finding.waiver:
            yield from wrapped(f"waived: {finding.waiver}", "      ", width)
            continue
        if finding.facts:
            yield from fact_lines(
                finding.facts, finding.expected, finding.found, "      ", style, width, everything=everything
            )
            continue
        following = shown[at + 1] if at + 1 < len(shown) else None
        if finding.why and (following is None or following.why != finding.why):
            yield from (style(line, "faint") for line in wrapped(finding.why, "      ", width))
    if len(findings) > most:
        yield style(f"  and {len(findings) - most} more ({_rules(findings[most:])}); --verbose lists all", "faint")
    yield ""


def _rules(findings: Sequence[Finding]) -> str:
    return ", ".join(dict.fromkeys(finding.rule for finding in findings))


def abbreviated(finding: Finding) -> Finding:
    """Return the finding with values in one line and digests cut to what tells them apart; JSON keeps them whole."""
    texts = {name: one_line(getattr(finding, name)) for name in ("subject", "expected", "found", "why", "waiver")}
    short = {name: text if name in ("why", "waiver") else _DIGEST.sub(r"\1…", text) for name, text in texts.items()}
    return msgspec.structs.replace(finding, **short)


def _row(finding: Finding, subjects: int, values: int, meaning: Meaning, style: Style, width: int) -> Iterator[str]:
    """Yield a finding in one line where it fits, else its parts below each other."""
    mark = _MARKS[finding.nature] if finding.severity == "error" else "!" if finding.severity == "warning" else "-"
    line = f"{padded(finding.subject, subjects)}  {padded(finding.expected, values)}  → {finding.found}"
    tail = f"  [{finding.rule}]"
    fits = columns_of(finding.subject) <= subjects and columns_of(finding.expected) <= values
    if fits and columns_of(line) + len(tail) + 4 <= width:
        yield f"  {style(mark, meaning)} {line}{style(tail, 'faint')}"
        return
    yield f"  {style(mark, meaning)} {style(finding.subject, 'strong')}{style(tail, 'faint')}"
    if finding.expected:
        yield f"      expected  {finding.expected}"
    if finding.found:
        first, *rest = wrapped(finding.found, " " * 16, width) if finding.family == "NUM" else [finding.found]
        yield f"      found     {first.lstrip()}"
        yield from rest


def _not_judged(verdict: Verdict, style: Style, width: int) -> Iterator[str]:
    yield style("Not judged", "strong")
    for reason, rules in not_judged(verdict).items():
        yield f"  - {count(len(rules), 'rule')}: {one_line(reason)}"
        yield from (style(line, "faint") for line in wrapped(", ".join(rules), "      ", width))
    yield ""
