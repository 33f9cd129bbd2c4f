"""The tables that end the page of a verdict: what was looked at, and what became of each rule."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from envlock.errors import one_line
from envlock.model.finding import Finding, Rule, Severity, Summary, Verdict
from envlock.model.machine import Accelerators, Cpu, Machine
from envlock.model.size import gib, size_text
from envlock.model.unknown import Unknown
from envlock.report.sections import counts, depth
from envlock.report.style import Meaning


def seen_tables(summary: Summary) -> Iterator[str]:
    """Yield what was looked at: target and lock, and the machine where it was seen."""
    yield '<section aria-labelledby="seen">'
    yield '<h2 id="seen">What was looked at</h2>'
    yield '<div class="tables">'
    yield from _table("Target and lock", _target_rows(summary))
    if summary.machine is not None:
        yield from _table("Hardware", _machine_rows(summary.machine))
    yield "</div>"
    yield "</section>"


def _table(caption: str, rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield f"<table><caption>{caption}</caption><tbody>"
    for name, value in rows:
        yield f'<tr><th scope="row">{text(name)}</th><td>{text(value)}</td></tr>'
    yield "</tbody></table>"


def _target_rows(summary: Summary) -> Iterator[tuple[str, str]]:
    yield "Environment", summary.env
    yield "Lock", f"sha256:{summary.lock_digest}"
    yield "Target", summary.target
    if summary.image:
        yield "Image manifest", f"sha256:{summary.image}"
    yield "Depth", f"{summary.mode}: {depth(summary)}"
    yield "Packages", f"{summary.packages:,} of {summary.locked_packages:,}"
    if summary.files:
        yield "Files proven", f"{summary.files:,}, {size_text(summary.size)}"
    if summary.python:
        yield "Python", summary.python
    yield "Hardware class", summary.hardware or "not looked at"
    yield "Settings", f"as set by: {summary.settings}" if summary.settings else "not judged"


def _machine_rows(machine: Machine) -> Iterator[tuple[str, str]]:
    yield "System", f"{machine.system} {machine.libc}".strip()
    yield from [("Processor", _unknown(machine.cpu))] if isinstance(machine.cpu, Unknown) else _cpu_rows(machine.cpu)
    yield "Memory", _unknown(machine.memory) if isinstance(machine.memory, Unknown) else gib(machine.memory)
    accelerators = machine.accelerators
    if isinstance(accelerators, Accelerators):
        yield from _accelerator_rows(accelerators)
    else:
        yield "Accelerators", _unknown(accelerators)


def _cpu_rows(cpu: Cpu) -> Iterator[tuple[str, str]]:
    yield "Processor", cpu.model or cpu.vendor or cpu.architecture
    yield "Architecture", f"{cpu.architecture}, {cpu.level}" if cpu.level else cpu.architecture
    yield "Threads", f"{cpu.usable} usable of {cpu.threads}"


def _accelerator_rows(accelerators: Accelerators) -> Iterator[tuple[str, str]]:
    if not accelerators.devices:
        yield "Accelerators", "none"
        return
    for device in accelerators.devices:
        details = [gib(device.memory) if device.memory else "", device.compute_capability, device.mig_profile]
        yield "Accelerator", ", ".join([device.name, *(detail for detail in details if detail)])
    if accelerators.driver:
        yield "Driver", accelerators.driver + (f", CUDA {accelerators.cuda}" if accelerators.cuda else "")


def rules_table(verdict: Verdict, rules: Sequence[Rule]) -> Iterator[str]:
    """Yield what became of each rule: what was found, that nothing was, or why it had nothing to look at."""
    if not rules:
        return
    found: dict[str, list[Finding]] = {}
    for finding in verdict.findings:
        found.setdefault(finding.rule, []).append(finding)
    yield "<section>"
    yield f"<details open><summary>Rules <small>{len(rules)}</small></summary>"
    yield '<table class="rules"><thead><tr><th scope="col">Rule</th><th scope="col">What is checked</th>'
    yield '<th scope="col">Outcome</th></tr></thead><tbody>'
    for rule in rules:
        outcome, meaning = _became(found.get(rule.id, []), verdict.unjudged.get(rule.id, ""))
        yield (
            f'<tr id="rule-{text(rule.id)}"><td><code>{text(rule.id)}</code></td><td>{prose(rule.title)}</td>'
            f'<td><span class="{meaning}">{text(outcome)}</span></td></tr>'
        )
    yield "</tbody></table>"
    yield "</details>"
    yield "</section>"


def _became(findings: Sequence[Finding], unjudged: str) -> tuple[str, Meaning]:
    if findings:
        severities: set[Severity] = {finding.severity for finding in findings}
        meaning: Meaning = "bad" if "error" in severities else "warn" if "warning" in severities else "faint"
        return ", ".join(counts(findings)), meaning
    return (f"not judged: {unjudged}", "faint") if unjudged else ("✓ nothing found", "good")


def _unknown(unknown: Unknown) -> str:
    return f"could not be seen: {unknown.reason}"


def text(value: str) -> str:
    """Return text that is nothing but text, in an element and in a quoted attribute."""
    return escape(one_line(value))


def prose(value: str) -> str:
    """Return sentences of ours, whose backticks mean code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text(value))
