"""A commit, as far as the story of a lock tells of it."""

from __future__ import annotations

import msgspec


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """One commit of the repository that a project is in."""

    commit: str
    """40 or 64 hex digits."""
    author: str
    """Name alone, through .mailmap."""
    when: str
    """When it was written, RFC 3339 with the author's offset."""
    subject: str
    """The first line of its message."""
    names: tuple[str, ...] = ()
    """Branches and tags that point at it, sorted."""
