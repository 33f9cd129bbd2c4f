"""What changes from one side to the other in the numbers that probes gave, and why not all of them can be compared."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.change import Change, Unsaid, change_of
from envlock.verify.compared_numbers import numbers_in, unseen_numbers
from envlock.verify.standing import standing_of
from envlock.verify.voice import Voice

_RANK = 15
"""After frameworks, also those that nobody locked: their release may be why. Before what they compute with."""
_OF_A_LOCK = "a lock holds no numbers"
_FINGERPRINT = "envlock verify --numerics holds them against the fingerprint"


def number_changes(one: Voice, other: Voice) -> Iterator[Change]:
    """Yield each pass of each suite whose probes gave other numbers."""
    for found in numbers_in((one.report, other.report)):
        texts = {number: text for text, numbers in found.groups.items() for number in numbers}
        if len(found.groups) > 1:
            standing = standing_of("numerics", found.subject, tuple(found.groups), ())
            why = f"{found.note}. {standing.why}"
            yield change_of("numerics", found.subject, texts[0], texts[1], why, standing.impact, _RANK)


def untold_numbers(one: Voice, other: Voice) -> Iterator[Unsaid]:
    """Yield what of the numbers cannot be compared."""
    voices = {"before": one, "after": other}
    for unseen in unseen_numbers((one.report, other.report), tuple(voices)):
        for name in unseen.reports:
            side = voices[name].side
            locked = side.lock is not None
            yield Unsaid(
                subject=unseen.subject,
                side=side.name,
                reason=_OF_A_LOCK if locked else unseen.reason,
                hint=_FINGERPRINT if locked else unseen.hint,
                failed=unseen.failed,
            )
