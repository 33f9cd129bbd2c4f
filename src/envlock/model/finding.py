"""What a verification says: findings, and the verdict that follows from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from envlock.errors import printable
from envlock.model.fact import Fact
from envlock.model.lock import Policy
from envlock.model.machine import Machine
from envlock.model.numbers import Compared

Severity = Literal["error", "warning", "info"]
Impact = Literal["results", "security", "compat", "cosmetic"]
Family = Literal["LOCK", "PKG", "FILE", "PY", "SYS", "CPU", "ACC", "ENV", "NUM"]
Nature = Literal["drift", "integrity", "unknown"]
Outcome = Literal["match", "drift", "unverified", "integrity"]
Need = Literal[
    "packages",
    "files",
    "bytes",
    "interpreter",
    "image",
    "container",
    "machine",
    "accelerator",
    "class",
    "classes",
    "variables",
    "stdlib",
    "numerics",
]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""From hard to mild."""
IMPACTS: tuple[Impact, ...] = ("results", "security", "compat", "cosmetic")
_FAMILIES: tuple[Family, ...] = ("PKG", "PY", "SYS", "ACC", "CPU", "ENV", "NUM", "FILE", "LOCK")
EXIT_CODES: dict[Outcome, int] = {"match": 0, "drift": 1, "unverified": 3, "integrity": 4}


def milder(one: Severity, other: Severity) -> Severity:
    """Return the milder of two severities."""
    return max(one, other, key=SEVERITIES.index)


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is checked. Its id names its module, its tests, its documentation and its findings."""

    id: str
    family: Family
    title: str
    """What is checked, one sentence."""
    why: str
    """Why a difference matters, one or two sentences."""
    nature: Nature = "drift"
    severity: Severity = "error"
    """Of its findings, unless the lock's policy says otherwise."""
    policies: Mapping[Policy, Severity] = {}
    """Severities under single policies."""
    impact: Impact = "compat"
    source: str = ""
    """The specification or measurement behind the rule."""
    needs: Need | None = None
    """What it looks at, where that is not what its family looks at: without it, it is told as not judged."""

    def severity_under(self, policy: Policy) -> Severity:
        """Return the severity of the rule's findings under a policy."""
        return self.policies.get(policy, self.severity)

    def finding(
        self,
        subject: str,
        *,
        expected: str = "",
        found: str = "",
        fix: str = "",
        why: str = "",
        package: str = "",
        path: str = "",
        nature: Nature | None = None,
        severity: Severity | None = None,
        impact: Impact | None = None,
        facts: Sequence[Fact] = (),
        rank: int = 100,
    ) -> Finding:
        """Return a finding of this rule; nature, severity, impact and why are the rule's own where not given."""
        return Finding(
            rule=self.id,
            family=self.family,
            nature=nature or self.nature,
            severity=severity or self.severity,
            impact=impact or self.impact,
            subject=printable(subject),
            expected=printable(expected),
            found=printable(found),
            why=printable(why or self.why),
            fix=printable(fix),
            package=printable(package),
            path=printable(path),
            facts=tuple(facts),
            rank=rank,
        )


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One difference between what is locked and what is there, or one thing that could not be observed."""

    rule: str
    family: Family
    nature: Nature
    """`unknown` is never a pass: it ends in exit code 3, `integrity` in 4."""
    severity: Severity
    impact: Impact
    subject: str
    expected: str
    found: str
    why: str
    fix: str
    """The command that mends it."""
    package: str = ""
    """Normalised name, where the finding is about a package or one of its files."""
    path: str = ""
    """As the target names it, where the finding is about a file."""
    facts: tuple[Fact, ...] = ()
    """What is known to change between the releases expected and found, the weightiest first; `why` tells some."""
    rank: int = 100
    """Among findings of one impact: locked frameworks are 0, see `model.influence`."""
    waiver: str = ""
    """Why it is accepted and until when, where the manifest waives it: it is then information."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at, so that a pass says how much it proves."""

    env: str
    lock_digest: str
    target: str
    mode: Literal["quick", "full"]
    packages: int = 0
    """Locked packages that were found at the locked version and, in full mode, proven."""
    locked_packages: int = 0
    files: int = 0
    """Files whose bytes were proven; 0 in quick mode."""
    size: int = 0
    """Of those files, in bytes."""
    python: str = ""
    """Full version of the target's interpreter, where known."""
    image: str = ""
    """Digest of the target's image manifest, where it is one."""
    claim: str = ""
    """Whose word the verdict rests on where the target itself was not seen, such as a report's."""
    hardware: str = ""
    """The lock's hardware class that the machine is of, or how it is none of them; empty where nobody looked."""
    machine: Machine | None = None
    """Where it was seen."""
    settings: str = ""
    """Who set the settings that were judged, such as `image` or `run`; empty where they were only told."""
    numerics: Compared | None = None
    """How the probes' answers compare with the fingerprint; None where they were not compared."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The judgement: findings in their stable order, and what they amount to."""

    summary: Summary
    findings: tuple[Finding, ...]
    outcome: Outcome
    unjudged: Mapping[str, str] = {}
    """Rules that had nothing to look at, by id, each with the reason: a pass does not speak of them."""

    @property
    def exit_code(self) -> int:
        """Design section 5: where several hold, 4, then 1, then 3."""
        return EXIT_CODES[self.outcome]


def order(finding: Finding) -> tuple[object, ...]:
    """Sort key of findings: broken integrity voids all else, then drift, results first; what is unknown."""
    return (
        SEVERITIES.index(finding.severity),
        ("integrity", "drift", "unknown").index(finding.nature),
        IMPACTS.index(finding.impact),
        finding.rank,
        _FAMILIES.index(finding.family),
        finding.package,
        finding.rule,
        finding.subject,
        finding.path,
    )


def judge(
    summary: Summary, findings: list[Finding], *, strict: bool = False, unjudged: Mapping[str, str] | None = None
) -> Verdict:
    """Order the findings and draw the outcome; `strict` promotes warnings to errors."""
    if strict:
        findings = [msgspec.structs.replace(f, severity="error") if f.severity == "warning" else f for f in findings]
    natures = {f.nature for f in findings if f.severity == "error"}
    outcome: Outcome = "match"
    if "integrity" in natures:
        outcome = "integrity"
    elif "drift" in natures:
        outcome = "drift"
    elif "unknown" in natures:
        outcome = "unverified"
    ordered = tuple(sorted(findings, key=order))
    return Verdict(summary=summary, findings=ordered, outcome=outcome, unjudged=unjudged or {})
