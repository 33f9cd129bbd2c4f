"""What this machine remembers of the last verification of an environment."""

from __future__ import annotations

from typing import Literal

import msgspec

from envlock.model.finding import Outcome


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """When an environment of this machine was last held against a lock, and what came of it."""

    schema: Literal[1] = 1
    when: str
    """RFC 3339, UTC."""
    mode: Literal["quick", "full"]
    outcome: Outcome
    lock: str
    """Digest of the lock."""
