"""What the manifest says of findings: severities of rules, and waivers, which end on a day."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from msgspec.structs import replace

from envlock.errors import UsageError, did_you_mean
from envlock.model.finding import Finding, Severity
from envlock.model.lock import Policy
from envlock.model.terms import Level, VerifyTable, Waiver
from envlock.verify.case import Case
from envlock.verify.rules import IDS, all_rules
from envlock.verify.rules.waiver_expired import expired
from envlock.verify.rules.waiver_unused import unused

_ORDER: tuple[Level, ...] = ("off", "info", "warning", "error")
_NEVER = frozenset({"target-unknown", "waiver-expired", "waiver-unused"})
"""Rules whose findings no waiver covers: where nothing was seen there is no verdict to soften."""


def check_table(table: VerifyTable, where: str) -> None:
    """Refuse rules that do not exist; `where` names the table. Raises UsageError (`unknown-rule`)."""
    for key, name in [*(("rules", name) for name in table.rules), *(("waivers", one.rule) for one in table.waivers)]:
        if name not in IDS:
            raise UsageError(
                "unknown-rule",
                f"No rule is called {name!r}.",
                where=f"{where}.{key}",
                found=name,
                hint=did_you_mean(name, IDS, "List them: envlock rule"),
            )


def accepted(findings: Iterable[Finding], case: Case) -> list[Finding]:
    """Return findings with the severities and waivers of the manifest, and what is to be said of the waivers.

    Bytes that contradict a digest keep their severity whatever the manifest says. What could not be observed is
    never a pass by a severity alone: it can be raised, or waived with a reason until a day.
    """
    levels = _levels(case.terms.table, case.lock.policy)
    rows = [row for finding in findings if (row := _levelled(finding, levels)) is not None]
    said = []
    for waiver in case.terms.table.waivers:
        theirs = [at for at, row in enumerate(rows) if _covers(waiver, row)]
        open_to_it = [at for at in theirs if _waivable(rows[at])]
        if not open_to_it:
            said.append(unused(waiver, len(theirs)))
        elif case.terms.today > datetime.date.fromisoformat(waiver.until):
            said.append(expired(waiver, len(open_to_it), case.lock.env))
        else:
            note = f"{waiver.reason} (until {waiver.until})"
            for at in open_to_it:
                rows[at] = replace(rows[at], severity="info", waiver=rows[at].waiver or note)
    return rows + [row for each in said if (row := _levelled(each, levels)) is not None]


def _levels(table: VerifyTable, policy: Policy) -> dict[str, tuple[Level, Severity]]:
    """Return by rule the severity that the manifest gives it, and that of the policy."""
    usual = {rule.id: rule.severity_under(policy) for rule in all_rules()} if table.rules else {}
    return {name: (level, usual[name]) for name, level in table.rules.items()}


def _levelled(finding: Finding, levels: Mapping[str, tuple[Level, Severity]]) -> Finding | None:
    """Return a finding with the severity that the manifest gives its rule, or None where that is turned off.

    Notes of a rule, such as those about settings of a plain shell, stay notes.
    """
    if finding.rule not in levels:
        return finding
    level, usual = levels[finding.rule]
    softer = _ORDER.index(level) < _ORDER.index(usual)
    if softer and finding.nature != "drift":
        return finding
    if level == "off":
        return None
    if (finding.severity == "info" and usual != "info") or (softer and finding.severity == "warning"):
        return replace(finding, severity="info") if level == "info" else finding
    return replace(finding, severity=level)


def _covers(waiver: Waiver, finding: Finding) -> bool:
    return finding.rule == waiver.rule and (
        finding.subject == waiver.subject or fnmatchcase(finding.subject, waiver.subject)
    )


def _waivable(finding: Finding) -> bool:
    return finding.nature != "integrity" and finding.rule not in _NEVER
