"""What a comparison says about single reports: on what each is odd, what it was judged there, and who signed it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from envlock.model.comparison import Column, Disagreement, Odd
from envlock.model.provenance import Signature
from envlock.model.report import Judged, Report
from envlock.model.unknown import Unknown


def odd_ones(disagreements: Sequence[Disagreement]) -> Iterator[Odd]:
    """Yield who says something else than most, and on what."""
    found: dict[str, list[Disagreement]] = {}
    for each in disagreements:
        if each.impact != "cosmetic":
            for name in each.odd:
                found.setdefault(name, []).append(each)
    alike: dict[tuple[str, ...], list[str]] = {}
    for name, rows in found.items():
        alike.setdefault(tuple(each.subject for each in rows), []).append(name)
    told = [
        Odd(
            reports=tuple(names),
            subjects=subjects,
            results=sum(each.impact == "results" for each in found[names[0]]),
        )
        for subjects, names in alike.items()
    ]
    yield from sorted(told, key=lambda odd: (-odd.results, -len(odd.subjects)))


def column_of(name: str, report: Report, signature: Signature | None) -> Column:
    """Return what is said about a report; `signature` was checked when it was read."""
    judged = report.judged
    verdict = judged if isinstance(judged, Judged) else None
    return Column(
        report=name,
        created=report.created,
        lock=report.lock.digest if report.lock is not None else "",
        outcome=verdict.outcome if verdict is not None else None,
        findings=len(verdict.findings) + verdict.untold if verdict is not None else 0,
        reason=judged.reason if isinstance(judged, Unknown) else "",
        signed=(signature.principal or signature.key) if signature is not None else "",
        trusted=signature is not None and signature.standing == "trusted",
    )
