"""A verdict as SARIF 2.1.0, which code scanning shows at the line of the lock that says what was expected."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from envlock import __version__
from envlock.errors import one_line
from envlock.model.finding import Finding, Rule, Severity, Summary, Verdict
from envlock.report.lock_lines import LockLines
from envlock.report.verdict import summary_line

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: dict[Severity, str] = {"error": "error", "warning": "warning", "info": "note"}
_MOST = 5_000
"""Results that are written; GitHub shows no more of one run, and refuses a run with 25,000."""
_LINK = re.compile(r"\[([^\[\]]*)\]\(|\]\(")
_PLACEHOLDER = re.compile(r"\{(\d+)\}")

_Object = dict[str, Any]


def verdict_sarif(verdict: Verdict, rules: Sequence[Rule], lock: LockLines | None = None) -> str:
    """Return the verdict as one run; no path in it is absolute on this machine.

    Args:
        verdict: of one target.
        rules: all that were asked, which the tool's driver describes.
        lock: the lock file, at whose lines results are placed; GitHub takes no result without a place.
    """
    shown = verdict.findings[:_MOST]
    invocation: _Object = {
        "executionSuccessful": True,
        "exitCode": verdict.exit_code,
        "exitCodeDescription": one_line(summary_line(verdict)),
        "properties": {"unjudged": dict(verdict.unjudged)},
    }
    if more := len(verdict.findings) - len(shown):
        said = {"text": f"{more:,} more findings are not in this file; the JSON output holds all."}
        invocation["toolExecutionNotifications"] = [{"level": "warning", "message": said}]
    positions = {rule.id: at for at, rule in enumerate(rules)}
    waives = any(finding.waiver for finding in shown)
    run: _Object = {
        "tool": {"driver": {"name": "envlock", "semanticVersion": __version__, "rules": [_rule(r) for r in rules]}},
        "automationDetails": {"id": f"envlock/{one_line(verdict.summary.env)}/"},
        "invocations": [invocation],
        "columnKind": "unicodeCodePoints",
        "results": [_result(f, verdict.summary.env, positions, lock, waives=waives) for f in shown],
        "properties": {"verdict": verdict.outcome, "summary": _summary(verdict.summary)},
    }
    if lock is not None:
        run["artifacts"] = [{"location": _artifact(lock), "hashes": {"sha-256": verdict.summary.lock_digest}}]
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _summary(summary: Summary) -> _Object:
    """Return the summary without the rows of single probes, which the JSON output holds."""
    numerics = summary.numerics
    shown: _Object = msgspec.to_builtins(replace(summary, numerics=numerics and replace(numerics, rows=())))
    return shown


def _rule(rule: Rule) -> _Object:
    source = f"Source: {rule.source.rstrip('.')}." if rule.source else ""
    lines = [rule.title, rule.why, source, f"All about it: envlock rule {rule.id}"]
    return {
        "id": rule.id,
        "name": "".join(part.capitalize() for part in rule.id.split("-")),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {
            "text": "\n".join(line for line in lines if line),
            "markdown": "\n\n".join(
                line for line in (rule.title, rule.why, source, f"All about it: `envlock rule {rule.id}`") if line
            ),
        },
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"tags": [rule.family, rule.impact, rule.nature]},
    }


def _result(finding: Finding, env: str, positions: dict[str, int], lock: LockLines | None, *, waives: bool) -> _Object:
    identity = hashlib.sha256("\0".join((env, finding.rule, finding.subject, finding.path)).encode("utf-8", "replace"))
    result: _Object = {"ruleId": finding.rule}
    if finding.rule in positions:
        result["ruleIndex"] = positions[finding.rule]
    result |= {
        "level": _LEVELS[finding.severity],
        "message": {"text": _message(finding)},
        "locations": _locations(finding, lock),
        # GitHub's own fingerprint is of the text around the line, which is the same for all files of a package.
        "partialFingerprints": {
            "primaryLocationLineHash": f"{identity.hexdigest()[:16]}:1",
            "envlockFinding/v1": identity.hexdigest(),
        },
        "properties": {
            "nature": finding.nature,
            "impact": finding.impact,
            "expected": finding.expected,
            "found": finding.found,
            "fix": finding.fix,
        },
    }
    if waives:  # SARIF 2.1.0, 3.27.23: an empty array says that it is not suppressed, no array that nobody knows
        accepted = {"kind": "external", "status": "accepted", "justification": finding.waiver}
        result["suppressions"] = [accepted] if finding.waiver else []
    return result


def _message(finding: Finding) -> str:
    """Return the finding in sentences. Braces around a number and links are syntax there (3.11.5, 3.11.6)."""
    text = one_line(finding.subject)
    if finding.expected:
        text += f": expected {one_line(finding.expected)}"
    if finding.found:
        text += f"{',' if finding.expected else ':'} found {one_line(finding.found)}"
    text += "."
    if finding.why:
        text += f" {one_line(finding.why)}"
    if finding.fix:
        text += f" Next: {one_line(finding.fix)}"
    return _PLACEHOLDER.sub(r"{{\1}}", _LINK.sub(_escaped, text))


def _escaped(link: re.Match[str]) -> str:
    return "\\](" if link[1] is None else f"\\[{link[1]}\\]("


def _locations(finding: Finding, lock: LockLines | None) -> list[_Object]:
    location: _Object = {}
    if lock is not None:
        location["physicalLocation"] = {
            "artifactLocation": {**_artifact(lock), "index": 0},
            "region": {"startLine": lock.line_of(finding)},
        }
    if finding.package:
        logical = {"name": finding.package, "kind": "package"}
        location["logicalLocations"] = [logical]
    if finding.path:
        file = {"name": finding.path, "kind": "file"}
        location["logicalLocations"] = [*location.get("logicalLocations", []), file]
    return [location] if location else []


def _artifact(lock: LockLines) -> _Object:
    return {"uri": quote(lock.path), "uriBaseId": "%SRCROOT%"}
