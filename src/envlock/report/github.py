"""A verdict as workflow commands of GitHub Actions: annotations, as many as GitHub shows, the last one counts the rest.

Source: docs.github.com, "Workflow commands for GitHub Actions"; GitHub shows 10 errors, 10 warnings and 10 notices of
a step, and 50 of a job.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from envlock.errors import one_line
from envlock.model.finding import Finding, Severity, Verdict
from envlock.report.lock_lines import LockLines
from envlock.report.style import count
from envlock.report.verdict import abbreviated, summary_line

_SHOWN = 10
_COMMANDS: dict[Severity, str] = {"error": "error", "warning": "warning", "info": "notice"}


def verdict_github(verdict: Verdict, lock: LockLines | None = None) -> str:
    """Return one command a line, the most serious findings first, and the summary line.

    Args:
        verdict: of one target.
        lock: the lock file, at whose lines annotations are placed.
    """
    lines: list[str] = []
    for severity in _COMMANDS:
        found = [finding for finding in verdict.findings if finding.severity == severity and not finding.waiver]
        lines += _annotations(severity, found, lock)
    lines.append(inert(f"envlock verify {summary_line(verdict)}"))  # whatever stands first, it is no command
    return "\n".join(lines) + "\n"


def _annotations(severity: Severity, findings: Sequence[Finding], lock: LockLines | None) -> Iterator[str]:
    single = findings if len(findings) <= _SHOWN else findings[: _SHOWN - 1]
    for finding in single:
        where = {"file": lock.path, "line": str(lock.line_of(finding))} if lock is not None else {}
        yield annotation(severity, _message(finding), **where, title=f"{finding.subject} [{finding.rule}]")
    if rest := findings[len(single) :]:
        rules = ", ".join(f"{rule} ({number:,})" for rule, number in Counter(f.rule for f in rest).most_common())
        more = f"{count(len(rest), 'more ' + _COMMANDS[severity])}: {rules}. The step's summary lists them."
        where = {"file": lock.path, "line": "1"} if lock is not None else {}
        yield annotation(severity, more, **where, title="envlock verify")


def _message(finding: Finding) -> str:
    short = abbreviated(finding)
    expected = f"expected {short.expected}" if short.expected else ""
    found = f"found {short.found}" if short.found else ""
    lines = [", ".join(part for part in (expected, found) if part), short.why]
    return "\n".join([*(line for line in lines if line), *([f"next: {one_line(finding.fix)}"] if finding.fix else [])])


def annotation(severity: Severity, message: str, **properties: str) -> str:
    """Return one workflow command: an annotation, placed by `file` and `line`, headed by `title`."""
    said = ",".join(f"{name}={_property(one_line(value))}" for name, value in properties.items())
    return f"::{_COMMANDS[severity]} {said}::{_data(message)}"


def inert(text: str) -> str:
    """Return text without `##[`, which runners take for a command of old wherever in a line it stands."""
    return text.replace("##[", "##\\[")


def _data(text: str) -> str:
    return inert(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
