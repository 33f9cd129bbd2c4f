"""What a lock says of the environment that a report is about, and what its probes answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec.structs import replace

from envlock.model.finding import Finding, Verdict
from envlock.model.lock import LockFile
from envlock.model.machine import Machine
from envlock.model.numerics import Fingerprint, Numerics
from envlock.model.observation import Observation
from envlock.model.report import Judged, Told
from envlock.model.terms import Terms
from envlock.model.unknown import Unknown
from envlock.operations.expected_numbers import expected_numbers
from envlock.operations.numerics import Numbers, Stage, observe_numerics, sources_of
from envlock.operations.verify import Witnesses, environment_case
from envlock.verify.case import Case
from envlock.verify.judgement import verdict_of

MOST_FINDINGS = 500
"""An environment of another build may differ in every file; a report is for a repository."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """How an environment is held against the lock that its project has for it."""

    lock_file: LockFile
    folder: Path
    """Of the lock file, where relative paths of wheels begin."""
    witnesses: Witnesses
    """With an `interpreter`; without `numbers`."""
    terms: Terms
    numbers: Numbers | None = None
    """How probes are run, where somebody asked for their answers."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    observation: Observation
    judged: Judged | Unknown | None
    numerics: Numerics | Unknown | None = None
    """None where nobody asked."""


def held_against(trial: Trial, target: Path, *, full: bool) -> Held:
    """Observe a virtual environment or an interpreter, judge it as `envlock verify` does, and run probes if asked.

    Answers of probes are judged too where there is a fingerprint of this very lock; without one they are only kept.
    Raises UsageError (`no-target`).
    """
    case = environment_case(
        trial.lock_file, target, folder=trial.folder, witnesses=trial.witnesses, terms=replace(trial.terms, full=full)
    )
    numerics = None
    if trial.numbers is not None:
        numerics, case = _answered(case, trial.numbers)
    return Held(observation=case.observation, judged=judged(verdict_of(case)), numerics=numerics)


def judged(verdict: Verdict) -> Judged:
    """Return a verdict as a report tells it: errors and warnings, the weightiest first, and how many were too many."""
    weighty = [finding for finding in verdict.findings if finding.severity != "info"]
    return Judged(
        lock=verdict.summary.lock_digest,
        mode=verdict.summary.mode,
        outcome=verdict.outcome,
        findings=tuple(map(_told, weighty[:MOST_FINDINGS])),
        untold=len(weighty[MOST_FINDINGS:]),
    )


def _told(finding: Finding) -> Told:
    return Told(
        rule=finding.rule,
        severity=finding.severity,
        impact=finding.impact,
        subject=finding.subject,
        expected=finding.expected,
        found=finding.found,
        package=finding.package,
    )


def _answered(case: Case, numbers: Numbers) -> tuple[Numerics | Unknown, Case]:
    """Run the probes of an environment; return their answers, and the case with them where it can judge them."""
    lock = case.lock
    with numbers.stage(case.observation) as stage:
        if not isinstance(stage, Stage):
            return stage, case
        expected = _expected(case, stage.seen, numbers.fingerprints)
        questions = numbers.questions
        sources = sources_of(lock, stage, questions, expected.numerics if expected is not None else None)
        found = observe_numerics(lock, stage, sources, questions)
    if expected is None:
        return found, case
    return found, Case(
        case.lock_file,
        replace(case.observation, numerics=found),
        terms=replace(case.terms, fingerprint=expected),
        records=case.records,
        locate=case.locate,
        progress=case.progress,
    )


def _expected(case: Case, machine: Machine, folder: Path) -> Fingerprint | None:
    """Return the fingerprint of this very lock for a machine, if the project keeps one."""
    found = expected_numbers(case.lock, case.lock_file.digest, machine, folder)
    return found if isinstance(found, Fingerprint) and found.lock == case.lock_file.digest else None
