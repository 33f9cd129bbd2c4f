"""Cutoffs: the moments after which releases do not exist for a lock, and what is newer than it should be."""

from __future__ import annotations

import msgspec


class Cutoffs(msgspec.Struct, frozen=True, kw_only=True):
    """What a resolver may see."""

    moment: str | None
    """RFC 3339 in UTC, or None where every release counts."""
    packages: dict[str, str] = {}
    """Normalised project to a cutoff of its own: RFC 3339, or `none`; sorted."""


class Newer(msgspec.Struct, frozen=True, kw_only=True):
    """A locked dependency that was uploaded long after the framework beside it."""

    package: str
    version: str
    uploaded: str
    """RFC 3339."""
    framework: str
    """Name and version."""
    days: int
    """From the framework's upload to this one's."""
