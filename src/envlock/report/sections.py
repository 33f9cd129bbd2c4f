"""A verdict in the order in which people read it: sections of findings, what was looked at, what mends it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from envlock.errors import one_line
from envlock.model.finding import IMPACTS, Finding, Impact, Outcome, Summary, Verdict
from envlock.model.number_words import outcome_of
from envlock.report.style import Meaning, count

HEADINGS: dict[Impact, str] = {
    "results": "Changes results",
    "security": "Code that was not locked",
    "compat": "May change behaviour",
    "cosmetic": "Cosmetic",
}
OUTCOMES: dict[Outcome, tuple[str, Meaning]] = {
    "match": ("match", "good"),
    "drift": ("drift", "bad"),
    "unverified": ("not verified", "warn"),
    "integrity": ("INTEGRITY FAILURE", "bad"),
}
NOUNS = {"error": "error", "warning": "warning", "info": "note"}
"""What findings are called in counts, by severity."""
_REMARK = re.compile(r"(?<! ) {2,}\(")
"""Where the remark of a fix begins; a run of spaces is tried once, however long a name holds one."""
_ORIGINS = {
    "image": "the image",
    "container": "the container",
    "run": "envlock run",
    "shell": "this shell",
    "report": "the report",
}


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """Findings that mean the same to whoever reads them."""

    heading: str
    meaning: Meaning
    findings: tuple[Finding, ...]


def sections(verdict: Verdict) -> Iterator[Section]:
    """Yield the sections that have findings: errors by what they change, the unknown, warnings, waived ones, notes."""
    rows = verdict.findings
    errors = [finding for finding in rows if finding.severity == "error"]
    drift = [finding for finding in errors if finding.nature == "drift"]
    groups: list[tuple[str, Meaning, list[Finding]]] = [
        ("Contradicts the lock's digests", "bad", [f for f in errors if f.nature == "integrity"]),
        *((HEADINGS[impact], "bad", [f for f in drift if f.impact == impact]) for impact in IMPACTS),
        ("Could not be verified", "warn", [f for f in errors if f.nature == "unknown"]),
        ("Warnings", "warn", [f for f in rows if f.severity == "warning"]),
        ("Waived", "faint", [f for f in rows if f.severity == "info" and f.waiver]),
        ("Notes", "faint", [f for f in rows if f.severity == "info" and not f.waiver]),
    ]
    for heading, meaning, findings in groups:
        if findings:
            yield Section(heading=heading, meaning=meaning, findings=tuple(_together(findings)))


def _together(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings of one reason beside each other, so that it is told once; the weightiest stay first."""
    first: dict[tuple[int, str], int] = {}
    for at, finding in enumerate(findings):
        first.setdefault((finding.rank, finding.why), at)
    return sorted(findings, key=lambda finding: first[finding.rank, finding.why])


def fixes(verdict: Verdict) -> list[str]:
    """Return the commands that mend the errors, or the warnings where there are none; the most urgent first, once."""
    for severity in ("error", "warning"):
        found: dict[str, list[str]] = {}
        for finding in verdict.findings:
            if finding.severity == severity and finding.fix:
                found.setdefault(command_of(finding.fix), []).append(finding.fix)
        if found:
            return [common_fix(each) for each in found.values()]
    return []


def command_of(fix: str) -> str:
    """Return the command alone, without the remark in brackets that may follow it."""
    return _parts(fix)[0]


def common_fix(alike: Sequence[str]) -> str:
    """Return one for all of the fixes that are the same command: with its remark where they all make the same."""
    return alike[0] if len(set(alike)) == 1 else command_of(alike[0])


def pasteable(fix: str) -> str:
    """Return a command as a shell takes it, in one line: what follows it in brackets becomes a comment."""
    command, remark = _parts(fix)
    return f"{command}  # {remark}" if remark is not None else command


def _parts(fix: str) -> tuple[str, str | None]:
    """Return (command, remark) of a fix in one line; no remark is None."""
    line = one_line(fix)
    begin = _REMARK.search(line) if line.endswith(")") else None
    return (line, None) if begin is None else (line[: begin.start()], line[begin.end() : -1])


def proven(verdict: Verdict) -> Iterator[str]:
    """Yield what was looked at, one phrase each: packages, files, interpreter, image, hardware, numbers."""
    summary = verdict.summary
    yield _packages(summary, verdict.outcome)
    if summary.files:
        yield count(summary.files, "file")
    if summary.python:
        yield f"Python {one_line(summary.python)}"
    if summary.image:
        yield f"image sha256:{summary.image[:12]}"
    if summary.hardware:
        yield f"hardware: {one_line(summary.hardware)}"
    if summary.settings:
        yield f"settings of {_ORIGINS.get(summary.settings, summary.settings)}"
    if summary.numerics is not None:
        yield outcome_of(summary.numerics.states)


def depth(summary: Summary) -> str:
    """Say how deep the verification went, in a few words."""
    if summary.claim:
        return one_line(summary.claim)
    if summary.mode == "full":
        return "compared byte for byte"
    return "by its digest in envlock.sum" if summary.image else "by version and size; --full compares every byte"


def counts(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield how many findings there are of each severity, such as ``2 errors``, waived ones apart."""
    for severity, noun in NOUNS.items():
        if number := sum(finding.severity == severity and not finding.waiver for finding in findings):
            yield count(number, noun)
    if waived := sum(bool(finding.waiver) for finding in findings):
        yield f"{waived:,} waived"


def not_judged(verdict: Verdict) -> dict[str, list[str]]:
    """Return the rules that had nothing to look at, by the reason."""
    reasons: dict[str, list[str]] = {}
    for rule, reason in verdict.unjudged.items():
        reasons.setdefault(reason, []).append(rule)
    return reasons


def _packages(summary: Summary, outcome: Outcome) -> str:
    if summary.packages == summary.locked_packages or (outcome == "unverified" and summary.packages == 0):
        return count(summary.locked_packages, "package")
    return f"{summary.packages:,} of {count(summary.locked_packages, 'package')}"
