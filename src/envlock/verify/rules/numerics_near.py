"""numerics-near: probes give other bits than where the fingerprint was made, a few roundings apart."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.number_words import listed
from envlock.verify.case import Case
from envlock.verify.suite_rows import explained, rows_in
from envlock.verify.way_back import way_back

RULE = Rule(
    id="numerics-near",
    family="NUM",
    title="Probes give the fingerprint's bits, not only numbers within `ulps` of them; policy bitwise asks for bits.",
    why="Every sampled element is within that distance, which no sample can show of the rest; training magnifies it.",
    severity="info",
    policies={"bitwise": "error"},
    impact="results",
    source="IEEE 754; a ULP is one step to the next number of a type, see `ulps` in the manifest's reference",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each suite and pass with such probes."""
    for part in rows_in(case, "near"):
        yield RULE.finding(
            part.title,
            expected=f"the bits of {case.fingerprint.hardware}" if case.fingerprint else "",
            found=f"{part.share} within {case.terms.table.ulps} ULP in the sample: {listed(part.rows)}",
            why=explained(case, part),
            fix=way_back(case, part),
            package=part.package,
            severity=case.severity(RULE),
            rank=part.rank,
        )
