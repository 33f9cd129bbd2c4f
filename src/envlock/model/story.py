"""The story of a lock: who changed what that matters, and when."""

from __future__ import annotations

from typing import Literal

import msgspec

from envlock.model.change import Change
from envlock.model.revision import Revision

Event = Literal["added", "changed", "removed", "unreadable", "cut-off"]
"""What a commit did to a lock; `unreadable` is one that this version cannot read, `cut-off` where a shallow clone ends,
so that nobody here knows whether the commit changed it."""


class Chapter(msgspec.Struct, frozen=True, kw_only=True):
    """A commit that gave the lock other bytes."""

    revision: Revision
    event: Event
    lock_digest: str = ""
    """Empty where the commit removed it."""
    tag: str = ""
    """What the image of the lock is called in registries; empty for a lock without an image."""
    images: dict[str, str] = {}
    """Platform to the digest of the image that envlock.sum vouches for."""
    changes: tuple[Change, ...] = ()
    """From the first parent's lock to this one, the most consequential first."""
    remark: str = ""
    """Why changes cannot be told, or what a lock that was added holds."""


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """The history of one environment's lock, newest first."""

    env: str
    path: str
    """Of the lock, below the project's folder."""
    start: str
    """The revision that it is told from, as the user named it."""
    chapters: tuple[Chapter, ...]
    more: bool = False
    """Whether there are older chapters that were not asked for."""
    uncommitted: bool = False
    """Whether the lock in the work tree is another one than the newest commit's."""
