"""What may move away from the old lock."""

from __future__ import annotations

import msgspec


class Upgrade(msgspec.Struct, frozen=True, kw_only=True):
    """What `envlock lock` was asked to move; everything else stays where the old lock has it."""

    everything: bool = False
    packages: tuple[str, ...] = ()
    cutoff: str | None = None
    """Instead of the manifest's as-of."""
