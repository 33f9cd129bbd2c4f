"""What a change of a lock does to the reports that a project keeps: who matched, and would no longer."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from envlock.errors import UnverifiableError, UsageError
from envlock.model.finding import Outcome
from envlock.model.lock import LockFile
from envlock.model.report import Checkout, Judged, Told
from envlock.model.review import Effect, Turn
from envlock.model.terms import Terms, VerifyTable
from envlock.model.unknown import Unknown
from envlock.operations.report_judged import judged
from envlock.operations.reports import Opened
from envlock.operations.verify import Witnesses
from envlock.operations.verify_report import verify_report

_FOREIGN = ("other-project", "other-environment")
"""Why a report says nothing of a lock."""
_FINDINGS = 5
"""Of a report that no longer matches; `envlock verify --report` tells the rest."""


@dataclass(frozen=True, kw_only=True)
class Judge:
    """How a report is held against the lock of one side."""

    lock: LockFile
    table: VerifyTable
    today: datetime.date
    witnesses: Witnesses
    checkout: Checkout | Unknown | None
    """Of this project."""

    def __call__(self, opened: Opened) -> Judged | Unknown:
        """Return what `envlock verify` said of it there, where it was asked about this very lock; else judge it here.

        A report is a claim: what is made of it here is less than what was seen there.
        """
        said = opened.report.judged
        if isinstance(said, Judged) and said.lock == self.lock.digest:
            return said
        terms = Terms(today=self.today, table=self.table)
        try:
            return judged(
                verify_report(self.lock, opened, witnesses=self.witnesses, terms=terms, checkout=self.checkout)
            )
        except UnverifiableError as error:
            return Unknown(reason=error.what)
        except UsageError as error:
            if error.reference not in _FOREIGN:
                raise
            return Unknown(reason=error.what)


def effects(
    kept: Collection[Opened], gone: Collection[str], before: Judge | None, after: Judge | None
) -> Iterator[Effect]:
    """Yield what becomes of each report, sorted by name.

    Args:
        kept: on the later side.
        gone: names of those that the earlier side had beside them.
        before: with the earlier lock; None where there is none.
        after: with the later one.
    """
    rows = [_effect(each, before, after) for each in kept]
    rows += [Effect(name=name, turn="gone") for name in gone]
    yield from sorted(rows, key=lambda effect: effect.name)


def _effect(opened: Opened, before: Judge | None, after: Judge | None) -> Effect:
    was, now = (judge(opened) if judge is not None else None for judge in (before, after))
    return Effect(
        name=Path(opened.where).stem,
        turn=_turn(was, now),
        created=opened.report.created,
        before=_outcome(was),
        after=_outcome(now),
        findings=_errors(now),
        signer=opened.signer,
        reason=next((each.reason for each in (now, was) if isinstance(each, Unknown)), ""),
    )


def _turn(was: Judged | Unknown | None, now: Judged | Unknown | None) -> Turn:
    """Return what became of it; `unverified` is no match, and nobody knows whether it is a mismatch."""
    before, after = _outcome(was), _outcome(now)
    if isinstance(now, Unknown) or after == "unverified":
        return "unknown"
    if before == "match":
        return "kept" if after == "match" else "broken"
    return "mended" if after == "match" else "apart"


def _outcome(said: Judged | Unknown | None) -> Outcome | None:
    return said.outcome if isinstance(said, Judged) else None


def _errors(said: Judged | Unknown | None) -> tuple[Told, ...]:
    if not isinstance(said, Judged):
        return ()
    return tuple(told for told in said.findings if told.severity == "error")[:_FINDINGS]
