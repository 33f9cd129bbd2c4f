"""A verdict as JUnit XML, which CI servers show as tests: one test case for each rule that was asked.

Errors of a rule are a failure, or an error where nothing but the unknown stands against it; a rule that had nothing to
look at, or whose findings are all waived, is skipped; warnings are the output of a test that passed.
There is neither a time nor a host name: the same verdict gives the same bytes.
Source: junit-10.xsd of Jenkins' xUnit plugin.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from envlock.errors import one_line, printable
from envlock.model.finding import Family, Finding, Rule, Verdict
from envlock.model.number_words import because, merged
from envlock.report.sections import depth
from envlock.report.verdict import summary_line

_SHOWN = 100
"""Findings of one rule whose text is given; the rest are counted."""


def verdict_junit(verdict: Verdict, rules: Sequence[Rule]) -> str:
    """Return the verdict as a JUnit document: a suite for each family, a case for each rule.

    Args:
        verdict: of one target.
        rules: all that were asked; a finding of a rule that is not among them gets a case of its own.
    """
    found: dict[str, list[Finding]] = {}
    for finding in verdict.findings:
        found.setdefault(finding.rule, []).append(finding)
    families: dict[Family, list[str]] = {}
    titles = {rule.id: rule.title for rule in rules}
    for rule in rules:
        families.setdefault(rule.family, []).append(rule.id)
    for name, findings in found.items():
        if name not in titles:
            families.setdefault(findings[0].family, []).append(name)
    root = ET.Element("testsuites", name=_text(f"envlock verify {verdict.summary.env}"))
    for family, names in families.items():
        suite = ET.SubElement(root, "testsuite", name=family)
        _properties(suite, verdict)
        for name in names:
            case = ET.SubElement(suite, "testcase", classname=f"envlock.{family}", name=name)
            _judge(case, found.get(name, []), verdict.unjudged.get(name, ""), titles.get(name, ""))
        _count(suite, suite, with_skipped=True)
    _count(root, root, with_skipped=False)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _properties(suite: ET.Element, verdict: Verdict) -> None:
    summary = verdict.summary
    properties = ET.SubElement(suite, "properties")
    numerics = summary.numerics
    causes = [because(each) for each in merged(numerics.explanations)] if numerics is not None else []
    for name, value in (
        ("verdict", summary_line(verdict)),
        ("depth", depth(summary)),
        ("lock", f"sha256:{summary.lock_digest}"),
        ("target", summary.target),
        *(("numbers explained by", cause) for cause in causes),
    ):
        ET.SubElement(properties, "property", name=name, value=_text(value))


def _judge(case: ET.Element, findings: Sequence[Finding], unjudged: str, title: str) -> None:
    errors = [finding for finding in findings if finding.severity == "error"]
    others = [finding for finding in findings if finding.severity != "error"]
    if errors:
        unknown = all(finding.nature == "unknown" for finding in errors)
        kind = "integrity" if any(finding.nature == "integrity" for finding in errors) else errors[0].nature
        more = f" (and {len(errors) - 1:,} more)" if len(errors) > 1 else ""
        result = ET.SubElement(
            case, "error" if unknown else "failure", type=kind, message=_text(_headline(errors[0]) + more)
        )
        result.text = _details(errors, title)
    elif unjudged:
        ET.SubElement(case, "skipped", message=_text(f"not judged: {unjudged}"))
    elif others and all(finding.waiver for finding in others):
        ET.SubElement(case, "skipped", type="waived", message=_text(f"waived: {others[0].waiver}"))
    if others:
        ET.SubElement(case, "system-out").text = _details(others, title)


def _headline(finding: Finding) -> str:
    expected = f"expected {finding.expected}, " if finding.expected else ""
    return f"{finding.subject}: {expected}found {finding.found}" if finding.found else finding.subject


def _details(findings: Sequence[Finding], title: str) -> str:
    lines = [title, ""] if title else []
    for finding in findings[:_SHOWN]:
        lines.append(f"{finding.severity}: {one_line(finding.subject)}")
        lines += [
            f"  {label:<8}  {one_line(value)}"
            for label, value in (
                ("expected", finding.expected),
                ("found", finding.found),
                ("why", finding.why),
                ("waived", finding.waiver),
                ("next", finding.fix),
            )
            if value
        ]
    if len(findings) > _SHOWN:
        lines.append(f"and {len(findings) - _SHOWN:,} more")
    return printable("\n".join(lines) + "\n")


def _text(value: str) -> str:
    """Return text that XML 1.0 can hold: it has no form for control characters, surrogates and U+FFFE."""
    return one_line(value)


def _count(into: ET.Element, within: ET.Element, *, with_skipped: bool) -> None:
    into.set("tests", str(len(list(within.iter("testcase")))))
    into.set("failures", str(len(list(within.iter("failure")))))
    into.set("errors", str(len(list(within.iter("error")))))
    if with_skipped:
        into.set("skipped", str(len(list(within.iter("skipped")))))
