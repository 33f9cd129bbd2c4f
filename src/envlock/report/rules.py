"""The rules as text: what each checks, why, and its source."""

from __future__ import annotations

from collections.abc import Iterable

from envlock.model.finding import Rule

_NATURES = {"drift": "exit code 1", "integrity": "exit code 4", "unknown": "exit code 3"}


def _consequence(rule: Rule) -> str:
    return _NATURES[rule.nature] + (" with --strict" if rule.severity == "warning" else "")


def rules_text(rules: Iterable[Rule]) -> str:
    """Return one line for each rule, by family."""
    rows = list(rules)
    widest = max(len(rule.id) for rule in rows)
    return "".join(f"{rule.family:<5} {rule.id:<{widest}}  {rule.title}\n" for rule in rows)


def rule_text(rule: Rule) -> str:
    """Return everything about one rule."""
    lines = [
        f"{rule.id} ({rule.family}, {rule.severity}, impact {rule.impact}, {_consequence(rule)})",
        "",
        rule.title,
    ]
    lines += [f"Why: {rule.why}"] + ([f"Source: {rule.source}"] if rule.source else [])
    return "\n".join(lines) + "\n"


def rules_markdown(rules: Iterable[Rule]) -> str:
    """Return the reference page of all rules."""
    lines = ["# Rules of `envlock verify`", "", "One rule, one name: in the code, the tests, the output and here.", ""]
    for rule in rules:
        lines += [f"## {rule.id}", "", rule.title]
        lines += [rule.why]
        lines += [f"{rule.family}, {rule.severity}, impact {rule.impact}, {_consequence(rule)}."]
        lines += [f"Source: {rule.source}."] if rule.source else []
        lines += [""]
    return "\n".join(lines)
