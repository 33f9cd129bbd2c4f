"""How the answers of probes compare with those of a fingerprint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from envlock.model.numerics import Device, Explanation, Pass, Status

State = Literal["equal", "near", "diverged", "crashed", "noisy", "raised", "unknown"]
UNSAMPLED = "outside the sample"
"""The reason of a row whose results differ in elements that no sample shows."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One probe in one pass: what the fingerprint has against what was found."""

    framework: str
    device: Device = "cpu"
    probe: str
    which: Pass
    state: State
    """`near` and `diverged` are other bits, see `verify.numbers`; `crashed` is a crash or a hang; `raised` is no result
    in good order; `unknown` is nothing to compare with."""
    expected: Status | None = None
    """What became of the probe where the fingerprint was made; None where it has no answer."""
    found: Status | None = None
    """The same here."""
    ulps: int | None = None
    """The largest distance of two sampled numbers, in units in the last place; None where there is none to tell."""
    reason: str = ""
    """Why it is in that state, where that is not plain."""

    @property
    def weight(self) -> tuple[int, int]:
        """Sort key, the worst first: results that have no distance (another shape, NaN), far ones, unseen ones."""
        return (1, -self.ulps) if self.ulps is not None else (2 if self.reason == UNSAMPLED else 0, 0)


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """The probes of one framework on one kind of device in one pass, counted."""

    framework: str
    device: Device = "cpu"
    which: Pass
    expected: str = ""
    """Version of the framework where the fingerprint was made."""
    found: str = ""
    """Version of the framework here."""
    states: Mapping[State, int]
    """How many probes are in each state that there is one in."""
    reason: str = ""
    """Why none of them could be compared, in either pass, where that is so."""

    @property
    def probes(self) -> int:
        """How many there are."""
        return sum(self.states.values())


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """All probes, and what explains those that differ."""

    hardware: str
    """The class of hardware whose fingerprint it was."""
    ulps: int
    """How far sampled numbers may be apart to be near."""
    probes: int
    """How many different ones there are; most answer in two passes."""
    states: Mapping[State, int]
    """How many of them are in each state, by the worse of their passes."""
    tallies: tuple[Tally, ...]
    rows: tuple[Row, ...]
    explanations: tuple[Explanation, ...] = ()
