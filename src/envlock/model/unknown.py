"""A thing that could not be observed is a value, with its reason; it is never a pass."""

from __future__ import annotations

import msgspec


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """A thing that could not be observed, and why."""

    reason: str
    hint: str = ""
