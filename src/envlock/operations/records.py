"""Finds a wheel's RECORD again on this machine: beside the lock, or in the cache."""

from __future__ import annotations

import hashlib
from pathlib import Path

from envlock.errors import EnvlockError
from envlock.model.artifact import Wheel
from envlock.model.edges import Artifacts, Records


def records_at_hand(folder: Path, artifacts: Artifacts) -> Records:
    """Return how verify finds RECORDs without a network; `folder` is the lock file's."""

    def record_of(wheel: Wheel) -> bytes | None:
        from envlock.formats.wheel import open_wheel
        from envlock.operations.fetch import at_hand

        path = at_hand(wheel, folder, artifacts)
        if path is None:
            return None
        try:
            with open_wheel(path, wheel.name) as opened:
                record = opened.record
        except EnvlockError:
            return None
        return record if hashlib.sha256(record).hexdigest() == wheel.record else None

    return record_of
