"""What is read off the wheels of a resolution, side by side: `contents` and `record` digests, and requirements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from envlock.formats.contents import contents_digest, recorded_rows, verify_wheel
from envlock.formats.dist_info import read_requirements
from envlock.formats.wheel import WheelFile, open_wheel
from envlock.locking.opening import Opening
from envlock.locking.select import Selected

_CONNECTIONS = 12


class Digests(msgspec.Struct, frozen=True, kw_only=True):
    """What a wheel holds, and the size of its file."""

    contents: str
    record: str
    size: int
    requires: tuple[str, ...] | None = None
    """Requires-Dist of its METADATA; None where nobody looked."""


def wheel_digests(
    wheels: Sequence[Selected],
    *,
    known: Mapping[str, Digests],
    opening: Opening,
) -> dict[str, Digests]:
    """Return the digests of each wheel by its sha256.

    `known` are those of an older lock; they stay unless the wheel is at hand and did not confirm them. A wheel at hand
    is read whole; others are read by ranges, and are provisional until a full download confirms them
    (`formats.contents.verify_wheel`).
    """
    missing = {row.sha256: row for row in wheels if not _may_stay(row, known.get(row.sha256), opening)}
    found = dict(known)
    with opening.progress.task("Reading wheels", len(missing)) as task, ThreadPoolExecutor(_CONNECTIONS) as pool:

        def read(row: Selected) -> tuple[str, Digests]:
            digests = _digests(row, opening)
            task.advance()
            return row.sha256, digests

        found.update(pool.map(read, sorted(missing.values(), key=lambda row: -(row.size or 0))))
    return found


def wheel_requires(
    wheels: Sequence[Selected], *, known: Mapping[str, Digests], opening: Opening
) -> dict[str, tuple[str, ...]]:
    """Return the Requires-Dist of each wheel by its sha256; those that `known` has not are read."""
    rows = {row.sha256: row for row in wheels}
    missing = [row for sha256, row in rows.items() if known[sha256].requires is None]
    found = {sha256: known[sha256].requires or () for sha256 in rows}
    if not missing:
        return found
    with opening.progress.task("Reading dependencies", len(missing)) as task, ThreadPoolExecutor(_CONNECTIONS) as pool:

        def read(row: Selected) -> tuple[str, tuple[str, ...]]:
            with opening.opened(row) as wheel:
                requires = _requires(wheel)
            task.advance()
            return row.sha256, requires

        found.update(pool.map(read, missing))
    return found


def confirmation(path: Path, contents: str, record: str) -> Path:
    """Return the file beside a wheel that says: it was read whole, and these are its digests."""
    return path.with_name(f"contents-{contents}-{record}")


def is_confirmation(path: Path) -> bool:
    """Tell whether a file of the cache is what `confirmation` names, and no artifact."""
    return path.name.startswith("contents-") and path.stat().st_size == 0


def _may_stay(row: Selected, known: Digests | None, opening: Opening) -> bool:
    if known is None:
        return False
    path = opening.cached(row)
    if path is None:
        return True
    return known.size == path.stat().st_size and confirmation(path, known.contents, known.record).exists()


def _digests(row: Selected, opening: Opening) -> Digests:
    local = opening.local(row)
    if local is None:
        wheel = opening.remote(row)
        if wheel is not None and row.size is not None:
            return Digests(
                contents=contents_digest(recorded_rows(wheel)),
                record=wheel.record_sha256,
                size=row.size,
                requires=_requires(wheel),
            )
        local = opening.whole(row)
    with open_wheel(local) as wheel:
        digests = Digests(
            contents=verify_wheel(wheel),
            record=wheel.record_sha256,
            size=local.stat().st_size,
            requires=_requires(wheel),
        )
    confirmation(local, digests.contents, digests.record).touch()
    return digests


def _requires(wheel: WheelFile) -> tuple[str, ...]:
    return read_requirements(wheel.metadata_file("METADATA") or b"")
