"""The memory of `verify`: .envlock/verified/ENV.json, for `status` to tell."""

from __future__ import annotations

import contextlib
import datetime
from pathlib import Path

import msgspec

from envlock.formats.beside import write_beside
from envlock.model.finding import Verdict
from envlock.model.manifest import Manifest
from envlock.model.records import from_json
from envlock.model.verified import Verified
from envlock.operations.own_folder import own_folder


def remember(manifest: Manifest, env: str, verdict: Verdict, now: datetime.datetime) -> None:
    """Keep what a verification came to, and nothing that names this machine; a project that is read-only keeps none."""
    verified = Verified(
        when=now.astimezone(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        mode=verdict.summary.mode,
        outcome=verdict.outcome,
        lock=verdict.summary.lock_digest,
    )
    path = _path(own_folder(manifest.folder), env)
    with contextlib.suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        write_beside(path, msgspec.json.encode(verified))


def last_verified(manifest: Manifest, env: str) -> Verified | None:
    """Return what was kept; None where nothing was, or nothing that can be read."""
    try:
        return from_json(_path(manifest.folder / ".envlock", env).read_bytes(), Verified)
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _path(folder: Path, env: str) -> Path:
    return folder / "verified" / f"{env}.json"
