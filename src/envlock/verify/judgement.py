"""Judges a target: every rule is asked, and the verdict follows from what they find."""

from __future__ import annotations

from envlock.model.finding import Summary, Verdict, judge
from envlock.model.machine import Machine
from envlock.verify.acceptance import accepted, check_table
from envlock.verify.case import Case
from envlock.verify.hardware import check_class_name, class_summary
from envlock.verify.rules import all_rules, check_all
from envlock.verify.unjudged import unjudged


def verdict_of(case: Case) -> Verdict:
    """Return the verdict on a case. Raises UsageError (`unknown-rule`) where the manifest names a rule that is none."""
    check_class_name(case.lock, case.terms.on)
    check_table(case.terms.table, f"[env.{case.lock.env}.verify]")
    findings = accepted(check_all(case), case)
    told = {finding.rule for finding in findings}
    silent = {rule: why for rule, why in unjudged(case, all_rules()).items() if rule not in told}
    return judge(_summary(case), findings, strict=case.terms.strict, unjudged=silent)


def _summary(case: Case) -> Summary:
    proven = [proof for proof in case.proofs.values() if proof.state == "proven"]
    return Summary(
        env=case.lock.env,
        lock_digest=case.lock_file.digest,
        target=case.observation.target,
        mode="full" if case.observation.full else "quick",
        packages=len(proven) if case.proofs else len(case.matching) if case.sees_packages else 0,
        locked_packages=len(case.locked),
        files=sum(proof.files for proof in proven),
        size=sum(proof.size for proof in proven),
        python=case.interpreter.version if case.interpreter is not None else "",
        image=case.image.digest if case.image is not None else "",
        hardware=class_summary(case),
        machine=case.observation.machine if isinstance(case.observation.machine, Machine) else None,
        settings=_settings(case),
        numerics=case.numbers,
    )


def _settings(case: Case) -> str:
    """Return who set the settings, where they are judged: a plain shell's only are where a class is asked for."""
    return case.variables.origin if case.variables is not None and case.judges_settings else ""
