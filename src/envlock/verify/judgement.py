"""Judges a target: every rule is asked, and the verdict follows from what they find."""

from __future__ import annotations

from envlock.model.finding import Summary, Verdict, judge
from envlock.verify.case import Case
from envlock.verify.rules import check_all


def verdict_of(case: Case) -> Verdict:
    """Return the verdict on a case."""
    return judge(_summary(case), check_all(case), strict=case.terms.strict)


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
    )
