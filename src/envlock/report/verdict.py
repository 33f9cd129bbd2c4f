"""A verdict as text: what differs, why it matters and the command that mends it; or as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from envlock.model.finding import IMPACTS, Finding, Impact, Outcome, Summary, Verdict
from envlock.report.style import Meaning, Style, count, plain, wrapped

SCHEMA = 1
_HEADINGS: dict[Impact, str] = {
    "results": "Changes results",
    "security": "Code that was not locked",
    "compat": "May change behaviour",
    "cosmetic": "Cosmetic",
}
_OUTCOMES: dict[Outcome, tuple[str, Meaning]] = {
    "match": ("match", "good"),
    "drift": ("drift", "bad"),
    "unverified": ("not verified", "warn"),
    "integrity": ("INTEGRITY FAILURE", "bad"),
}
_MOST = 12
"""Findings of one kind that are listed; the rest are counted."""
_SUBJECT, _VALUE = 40, 34
"""The widest subject and expectation that still stand in one line with what was found."""
_DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


def verdict_json(verdict: Verdict) -> str:
    """Return the verdict as JSON, schema 1: later versions of it only add keys."""
    document = {
        "schema": SCHEMA,
        "verdict": verdict.outcome,
        "exit_code": verdict.exit_code,
        "summary": msgspec.to_builtins(verdict.summary),
        "findings": msgspec.to_builtins(verdict.findings),
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def verdict_text(verdict: Verdict, *, style: Style = plain, width: int = 100, everything: bool = False) -> str:
    """Return the verdict for people; `everything` lists findings that are else only counted."""
    lines: list[str] = []
    errors = [finding for finding in verdict.findings if finding.severity == "error"]
    others = [finding for finding in verdict.findings if finding.severity != "error"]
    broken = [finding for finding in errors if finding.nature == "integrity"]
    most = len(verdict.findings) if everything else _MOST
    if verdict.findings:
        lines += [style(f"{verdict.summary.env} (locked) → {verdict.summary.target} (found)", "strong"), ""]
    if broken:
        lines += _section("Contradicts the lock's digests", broken, "bad", style, width, most)
    for impact in IMPACTS:
        group = [finding for finding in errors if finding.impact == impact and finding.nature == "drift"]
        if group:
            lines += _section(_HEADINGS[impact], group, "bad", style, width, most)
    if unknown := [finding for finding in errors if finding.nature == "unknown"]:
        lines += _section("Could not be verified", unknown, "warn", style, width, most)
    if others:
        lines += _section("Noticed", others, "warn", style, width, most)
    fixes = list(dict.fromkeys(finding.fix for finding in errors if finding.fix))
    for at, fix in enumerate(fixes[:3]):
        lines.append((style("next:", "strong") if at == 0 else "     ") + f"  {fix}")
    if fixes:
        lines.append("")
    lines.append(_summary(verdict, style))
    return "\n".join(lines) + "\n"


def _section(
    heading: str, findings: Sequence[Finding], meaning: Meaning, style: Style, width: int, most: int
) -> Iterator[str]:
    yield style(heading, "strong")
    shown = [_abbreviated(finding) for finding in findings[:most]]
    subjects = max((len(f.subject) for f in shown if len(f.subject) <= _SUBJECT), default=0)
    values = max(
        (len(f.expected) for f in shown if len(f.expected) <= _VALUE and len(f.subject) <= _SUBJECT), default=0
    )
    for at, finding in enumerate(shown):
        yield from _row(finding, subjects, values, meaning, style, width)
        following = shown[at + 1] if at + 1 < len(shown) else None
        if finding.why and (following is None or following.why != finding.why):
            yield from (style(line, "faint") for line in wrapped(finding.why, "      ", width))
    if len(findings) > most:
        rules = ", ".join(dict.fromkeys(finding.rule for finding in findings[most:]))
        yield style(f"  and {len(findings) - most} more ({rules}); --verbose lists all", "faint")
    yield ""


def _abbreviated(finding: Finding) -> Finding:
    """Return the finding with digests cut to what tells them apart; JSON keeps them whole."""
    short = {name: _DIGEST.sub(r"\1…", getattr(finding, name)) for name in ("subject", "expected", "found")}
    return msgspec.structs.replace(finding, **short)


def _row(finding: Finding, subjects: int, values: int, meaning: Meaning, style: Style, width: int) -> Iterator[str]:
    """Yield a finding in one line where it fits, else its parts below each other."""
    mark = {"unknown": "?", "integrity": "✗", "drift": "✗"}[finding.nature] if finding.severity == "error" else "!"
    line = f"{finding.subject:<{subjects}}  {finding.expected:<{values}}  → {finding.found}"
    tail = f"  [{finding.rule}]"
    if len(finding.subject) <= subjects and len(finding.expected) <= values and len(line) + len(tail) + 4 <= width:
        yield f"  {style(mark, meaning)} {line}{style(tail, 'faint')}"
        return
    yield f"  {style(mark, meaning)} {style(finding.subject, 'strong')}{style(tail, 'faint')}"
    if finding.expected:
        yield f"      expected  {finding.expected}"
    if finding.found:
        yield f"      found     {finding.found}"


def _summary(verdict: Verdict, style: Style) -> str:
    summary = verdict.summary
    word, meaning = _OUTCOMES[verdict.outcome]
    parts = [_packages(summary, verdict.outcome)]
    if summary.files:
        parts.append(count(summary.files, "file"))
    if summary.python:
        parts.append(f"Python {summary.python}")
    if summary.image:
        parts.append(f"image sha256:{summary.image[:12]}")
    tail = ", ".join(_counts(verdict.findings))
    text = f"{summary.env}: {', '.join(part for part in parts if part)}: {style(word, meaning)}"
    if tail:
        text += f" ({tail})"
    elif summary.mode == "quick":
        text += style(
            " by its digest in envlock.sum" if summary.image else " by version and size; --full compares every byte",
            "faint",
        )
    return text


def _packages(summary: Summary, outcome: Outcome) -> str:
    if summary.packages == summary.locked_packages or (outcome == "unverified" and summary.packages == 0):
        return count(summary.locked_packages, "package")
    return f"{summary.packages:,} of {count(summary.locked_packages, 'package')}"


def _counts(findings: Iterable[Finding]) -> Iterator[str]:
    rows = list(findings)
    for severity, noun in (("error", "error"), ("warning", "warning"), ("info", "note")):
        number = sum(finding.severity == severity for finding in rows)
        if number:
            yield count(number, noun)
