"""A thing that could not be observed is a value, with its reason; it is never a pass."""

from __future__ import annotations

from typing import Self

import msgspec

from envlock.errors import EnvlockError


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """A thing that could not be observed, and why."""

    reason: str
    hint: str = ""

    @classmethod
    def because(cls, error: EnvlockError) -> Self:
        """Return what an error says: its sentence with what was found, and its next step."""
        return cls(reason=error.what + (f" ({error.found})" if error.found else ""), hint=error.hint)
