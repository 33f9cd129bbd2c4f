"""What differs between two sides, ranked by what it does to results."""

from __future__ import annotations

from typing import Literal

import msgspec

from envlock.model.fact import Fact
from envlock.model.finding import Impact
from envlock.model.side import SideKind

Area = Literal[
    "framework",
    "numerics",
    "accelerator",
    "model",
    "python",
    "settings",
    "hardware",
    "package",
    "os",
    "image",
    "lock",
    "code",
    "data",
    "startup",
]
Kind = Literal["added", "removed", "changed", "rebuilt"]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One difference from an earlier side to a later one."""

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
    """What made the resolver choose it, or the key of the manifest that says it, where that is known."""
    chain: tuple[str, ...] = ()
    """The requirements that bring a package in, from what the manifest asks for down to the package itself."""
    rank: int


def change_of(
    area: Area,
    subject: str,
    before: str,
    after: str,
    why: str,
    impact: Impact,
    rank: int,
    kind: Kind | None = None,
    *,
    brought_by: str = "",
) -> Change:
    """Return a change; what was or is empty was added or removed, unless `kind` says otherwise."""
    found: Kind = kind or ("added" if not before else "removed" if not after else "changed")
    return Change(
        area=area,
        kind=found,
        impact=impact,
        subject=subject,
        before=before,
        after=after,
        why=why,
        brought_by=brought_by,
        rank=rank,
    )


class Unsaid(msgspec.Struct, frozen=True, kw_only=True):
    """What one side says nothing of, or could not be seen there, so that nobody compared it."""

    subject: str
    side: str
    """The name of the side."""
    reason: str
    hint: str = ""
    failed: bool = False
    """Whether it was looked at in vain; what a side cannot say by its nature, or was never looked at, is no failure."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Two sides compared; `changes` stand in order of what they do to results."""

    before: str
    """How the user named the earlier side."""
    after: str
    before_digest: str
    """Lock digest, empty for what is no lock."""
    after_digest: str
    changes: tuple[Change, ...]
    unchanged_packages: int
    unsaid: tuple[Unsaid, ...] = ()
    before_kind: SideKind = "lock"
    after_kind: SideKind = "lock"
