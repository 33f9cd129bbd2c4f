"""The terms of a verification: what the user asked for, and what the manifest says of rules."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

import msgspec

from envlock.model.numerics import Fingerprint
from envlock.model.unknown import Unknown

Level = Literal["error", "warning", "info", "off"]
Ulps = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]


class Waiver(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """A finding that a team accepts for a while: [[env.NAME.verify.waivers]]."""

    rule: str
    subject: str = "*"
    """A glob over the subject of findings."""
    reason: str
    until: str
    """The last day that it holds, such as 2027-03-31, by UTC."""


class VerifyTable(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """[env.NAME.verify]: how strictly rules are taken. It says nothing of the environment, so no lock holds it."""

    rules: dict[str, Level] = {}
    """Severity by rule id, before that of the policy. What contradicts digests stays an error."""
    waivers: tuple[Waiver, ...] = ()
    ulps: Ulps = 4
    """How many units in the last place a sampled number may be off for the result to be near the fingerprint's."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How a target is judged."""

    full: bool = False
    """Every byte of every file, or metadata and sizes."""
    strict: bool = False
    """Warnings count as errors."""
    on: str = ""
    """The hardware class that the target must be of, by its name in the lock; empty where any of them will do."""
    today: datetime.date = datetime.date.min
    """By UTC; waivers end."""
    table: VerifyTable = VerifyTable()
    stale: tuple[str, ...] = ()
    """Which inputs of the lock changed since it was written, one sentence each (rule lock-stale)."""
    against: str = ""
    """The fingerprint that the user named, by its file or class; empty for the one of the machine."""
    fingerprint: Fingerprint | Unknown | None = None
    """The numbers that are expected; None where nobody asked for them (families NUM)."""
