"""What to do about probes that differ: make the factor what it was, or find out which one it is."""

from __future__ import annotations

from envlock.model.factors import factor_of
from envlock.verify.case import Case
from envlock.verify.numeric_factors import LIBRARY, THREADS
from envlock.verify.suite_rows import SuiteRows


def way_back(case: Case, part: SuiteRows) -> str:
    """Return the command that mends what explains most of some probes; the one that explains where nothing does."""
    names = {row.probe for row in part.rows}
    causes = [each for each in case.observation.explanations if names.intersection(each.probes)]
    if not causes:
        return case.verify("--numerics --explain")
    factor = max(causes, key=lambda each: len(names.intersection(each.probes))).factor
    if factor == THREADS or factor_of(factor) is not None:
        return case.settle(factor)
    if factor == LIBRARY:
        return case.sync
    return f"{case.make_fingerprint}   (if what this machine computes is right for you too)"
