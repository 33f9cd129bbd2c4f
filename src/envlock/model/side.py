"""One of the two things that `diff` holds against each other."""

from __future__ import annotations

from typing import Literal

import msgspec

from envlock.model.lock import LockFile
from envlock.model.platform import Platform
from envlock.model.report import Report

SideKind = Literal["lock", "image", "report", "environment"]


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """A lock, or what was seen or reported: exactly one of `lock` and `report` is there."""

    name: str
    """As the user named it."""
    kind: SideKind
    """Where it comes from; an image of ours is told by the lock that it holds."""
    lock: LockFile | None = None
    report: Report | None = None
    platform: Platform | None = None
    """What it is for, where that is known: of a lock for several platforms the same one is compared."""

    @property
    def digest(self) -> str:
        """The lock digest; empty where there is no lock."""
        return self.lock.digest if self.lock is not None else ""
