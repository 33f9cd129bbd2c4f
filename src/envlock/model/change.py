"""What differs between two locks, ranked by what it does to results."""

from __future__ import annotations

from typing import Literal

import msgspec

from envlock.model.fact import Fact
from envlock.model.finding import Impact

Area = Literal["framework", "numerics", "accelerator", "model", "python", "settings", "package", "os", "image", "lock"]
Kind = Literal["added", "removed", "changed", "rebuilt"]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One difference from an earlier lock to a later one."""

    area: Area
    kind: Kind
    impact: Impact
    subject: str
    before: str
    """Empty where it was not there."""
    after: str
    """Empty where it is no longer there."""
    why: str
    """Why it matters."""
    facts: tuple[Fact, ...] = ()
    """The weightiest first; each is told of one package only."""
    brought_by: str = ""
    """What made the resolver choose it, where that is known."""
    chain: tuple[str, ...] = ()
    """The requirements that bring a package in, from what the manifest asks for down to the package itself."""
    rank: int


def change_of(
    area: Area, subject: str, before: str, after: str, why: str, impact: Impact, rank: int, kind: Kind | None = None
) -> Change:
    """Return a change; what was or is empty was added or removed, unless `kind` says otherwise."""
    found: Kind = kind or ("added" if not before else "removed" if not after else "changed")
    return Change(area=area, kind=found, impact=impact, subject=subject, before=before, after=after, why=why, rank=rank)


class Unsaid(msgspec.Struct, frozen=True, kw_only=True):
    """What one side says nothing of, or could not be seen there, so that nobody compared it."""

    subject: str
    side: str
    """The name of the side."""
    reason: str
    hint: str = ""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Two sides compared; `changes` stand in order of what they do to results."""

    before: str
    """How the user named the earlier lock."""
    after: str
    before_digest: str
    after_digest: str
    changes: tuple[Change, ...]
    unchanged_packages: int
    unsaid: tuple[Unsaid, ...] = ()
