"""The answer of a machine to one constraint of a hardware class."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from envlock.model.constraint import Constraint
from envlock.model.unknown import Unknown

State = Literal["yes", "no", "unknown"]
_GIB = 1 << 30
_RESERVED = Decimal("0.08")
"""The most of its memory that firmware and kernel keep of a machine, and firmware and error correction of a GPU: what
is sold as 16 GB tells 14.8 (T4), as 24 GB 22.5 (L4), while 11.0 (RTX 2080 Ti) is no 12."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine says to one constraint."""

    rule: str
    """The rule that judges it."""
    state: State
    subject: str
    expected: str
    found: str
    """For `unknown` the reason."""
    hint: str = ""


def answered(rule: str, subject: str, expected: str, found: str, *, fits: bool, hint: str = "") -> Answer:
    """Return the answer to a constraint that the machine fits or does not."""
    state: State = "yes" if fits else "no"
    return Answer(rule=rule, state=state, subject=subject, expected=expected, found=found, hint=hint)


def unanswered(rule: str, subject: str, expected: str, why: Unknown) -> Answer:
    """Return the answer to a constraint on something that could not be seen."""
    return Answer(rule=rule, state="unknown", subject=subject, expected=expected, found=why.reason, hint=why.hint)


def holds_memory(constraint: Constraint, size: int) -> bool:
    """Tell whether a constraint in GiB admits a size in bytes, or the one that it may have been sold as."""
    told = Decimal(size) / _GIB
    most = told / (1 - _RESERVED)
    sold = constraint.lower.value if constraint.lower is not None else told
    assert isinstance(sold, Decimal)
    return any(constraint.admits(f"{value:.6f}") for value in (told, min(max(sold, told), most), most))
