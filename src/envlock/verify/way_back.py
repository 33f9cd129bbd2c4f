"""What to do about probes that differ: make the factor what it was, or find out which one it is."""

from __future__ import annotations

import shlex

from envlock.model.factors import factor_of
from envlock.model.number_words import merged
from envlock.verify.case import Case
from envlock.verify.suite_rows import SuiteRows


def way_back(case: Case, part: SuiteRows) -> str:
    """Return the command that mends what explains most of some probes; the one that explains where nothing does."""
    names = {row.probe for row in part.rows}
    causes = [each for each in merged(case.observation.explanations) if names.intersection(each.probes)]
    if not causes:
        against = f" --against {shlex.quote(case.terms.against)}" if case.terms.against else ""
        return case.verify(f"--numerics{against} --explain")
    from envlock.verify.numeric_difference import LIBRARY, THREADS

    factor = max(causes, key=lambda each: len(names.intersection(each.probes))).factor
    if factor == THREADS:
        return case.unset(strays[0], lockable=True) if (strays := _stray_limits(case)) else case.settle(factor)
    if factor_of(factor) is not None:
        return case.settle(factor)
    if factor == LIBRARY:
        return case.sync
    if case.make_fingerprint == case.sync:
        return case.sync
    return f"{case.make_fingerprint}   (if what this machine computes is right for you too)"


def _stray_limits(case: Case) -> list[str]:
    """Return the variables that limit threads here, and neither where the fingerprint was made nor by the lock."""
    if case.fingerprint is None or case.numerics is None:
        return []
    here, there = (each.conditions.variables for each in (case.numerics, case.fingerprint.numerics))
    limits = [name for name in here if (factor := factor_of(name)) is not None and factor.kind == "threads"]
    return [name for name in limits if name not in there and name not in case.expected_variables]
