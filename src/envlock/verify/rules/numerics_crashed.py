"""numerics-crashed: probes end their process, or hang, where the fingerprint has a result."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.number_words import listed
from envlock.model.numbers import Row
from envlock.verify.case import Case
from envlock.verify.suite_rows import SuiteRows, explained, rows_in
from envlock.verify.way_back import way_back

RULE = Rule(
    id="numerics-crashed",
    family="NUM",
    title="No probe ends its process or hangs that had a result where the fingerprint was made.",
    why="Programs that compute it will crash or hang here: by instructions that the CPU lacks, or by a setting that a "
    "library does not survive.",
    impact="results",
    source="Measured: OPENBLAS_CORETYPE=SkylakeX on a CPU without AVX-512 is a SIGILL, TF_ENABLE_ONEDNN_OPTS=1 with "
    "TensorFlow 2.5.0 a SIGFPE",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each suite and pass: for crashes here alone, in both places, and all others."""
    for part in rows_in(case, "crashed", _here_alone):
        yield RULE.finding(
            part.title,
            expected="a result",
            found=f"{part.share} crash or hang: {listed(part.rows)}",
            why=explained(case, part),
            fix=way_back(case, part),
            package=part.package,
            rank=part.rank,
        )
    for part in rows_in(case, "crashed", _in_both):
        compared = _has_numbers(case, part)
        yield RULE.finding(
            part.title,
            expected="a crash or hang, as in the fingerprint" if compared else "numbers to compare",
            found=f"{part.share} crash or hang: {listed(part.rows)}",
            why="They did so where the fingerprint was made."
            + ("" if compared else " No other probe of it gives numbers, so that nothing was compared."),
            package=part.package,
            nature="drift" if compared else "unknown",
            severity="info" if compared else "error",
            rank=part.rank,
        )
    for part in rows_in(case, "crashed", lambda row: not _here_alone(row) and not _in_both(row)):
        yield RULE.finding(
            part.title,
            expected="a result to compare with",
            found=f"{part.share} gave none, there or here: {listed(part.rows)}",
            why="A crash or a hang has no numbers.",
            fix=case.make_fingerprint,
            package=part.package,
            nature="unknown",
            rank=part.rank,
        )


def _here_alone(row: Row) -> bool:
    return row.found in ("crashed", "hung") and row.expected == "ok"


def _has_numbers(case: Case, part: SuiteRows) -> bool:
    """Tell whether some probe of a suite gave numbers in either pass, there and here."""
    return case.numbers is not None and any(
        row.state in ("equal", "near", "diverged")
        for row in case.numbers.rows
        if (row.framework, row.device) == (part.tally.framework, part.tally.device)
    )


def _in_both(row: Row) -> bool:
    return row.found in ("crashed", "hung") and row.found == row.expected
