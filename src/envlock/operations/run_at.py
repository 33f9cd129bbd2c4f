"""`envlock run --at`: a lock as a commit has it, with an environment of its own beside today's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from envlock.errors import UsageError
from envlock.formats.beside import write_beside
from envlock.formats.pylock import parse_lock, wheels_of
from envlock.formats.sha256 import file_sha256
from envlock.image.sums import format_sums, merged, parse_sums, read_sums
from envlock.model.edges import Installer, Revisions
from envlock.model.lock import LockFile
from envlock.model.manifest import Manifest
from envlock.model.platform import Platform
from envlock.model.revision import Revision
from envlock.operations import local_venv
from envlock.operations.edges import Edges
from envlock.operations.own_folder import own_folder
from envlock.operations.run import out_of_step
from envlock.operations.sync import sync_environment

_HEX = 12
"""How much of a lock's digest names its folder: several commits with one lock share an environment."""


class Earlier(msgspec.Struct, frozen=True, kw_only=True):
    """A lock as a commit has it, and where it is put to use."""

    revision: Revision
    lock_file: LockFile
    venv: Path
    folder: Path
    """Stands in for lockfiles/: what is built here, and envlock.sum."""

    @property
    def sums(self) -> Path:
        """The envlock.sum of that lock, so that today's never speaks of it."""
        return self.folder / "envlock.sum"


def lock_at(manifest: Manifest, env: str, revisions: Revisions, revision: str) -> Earlier:
    """Return the lock of an environment as a revision has it.

    Raises UsageError (`no-lock-there`), what `Revisions.resolve` and `parse_lock` raise.
    """
    found = revisions.resolve(revision)
    path = manifest.lock_path(env)
    raw = revisions.file_at(found.commit, path)
    if raw is None:
        raise UsageError(
            "no-lock-there",
            f"Commit {found.commit[:12]} has no such lock.",
            where=f"{revision}:{env}",
            expected=path.relative_to(manifest.folder).as_posix(),
            hint=f"envlock log {env} tells since when there is one",
        )
    lock_file = parse_lock(raw, f"{revision}:{path.name}")
    place = own_folder(manifest.folder) / "at" / f"{env}-{lock_file.digest[:_HEX]}"
    return Earlier(revision=found, lock_file=lock_file, venv=place, folder=place.with_name(f"{place.name}.lockfiles"))


def bring(earlier: Earlier, manifest: Manifest, revisions: Revisions, *, sums: bool = False) -> None:
    """Put what stood beside the lock into its folder: wheels and layers, from the commit or where they are the same.

    `sums` writes envlock.sum too: what the commit vouches for, and what today's file does. Raises IntegrityError
    (`sums-mismatch`) where these contradict each other.
    """
    lockfiles = manifest.lock_path(earlier.lock_file.lock.env).parent
    commit = earlier.revision.commit
    for path, sha256 in _beside(earlier.lock_file):
        target, today = earlier.folder / path, lockfiles / path
        if target.is_file():
            continue
        raw = revisions.file_at(commit, today)
        if raw is None and today.is_file() and file_sha256(today) == sha256:
            raw = today.read_bytes()
        if raw is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_beside(target, raw)
    if sums:
        then = parse_sums(revisions.file_at(commit, manifest.sums_path) or b"", f"{commit[:_HEX]}:envlock.sum")
        together = merged(read_sums(manifest.sums_path), then, str(manifest.sums_path))
        earlier.folder.mkdir(parents=True, exist_ok=True)
        write_beside(earlier.sums, format_sums(together))


def install(earlier: Earlier, platform: Platform, *, installer: Installer, edges: Callable[[], Edges]) -> None:
    """Make the environment of that lock, unless it is there and in step; raises what `sync_environment` raises."""
    lock = earlier.lock_file.lock
    if local_venv.exists(earlier.venv) and not out_of_step(lock, platform, earlier.venv):
        return
    sync_environment(
        lock, platform, earlier.venv, folder=earlier.folder, python=None, installer=installer, edges=edges()
    )


def _beside(lock_file: LockFile) -> Iterator[tuple[str, str]]:
    """Yield (path below lockfiles/, sha256) of the files that a lock has beside it."""
    lock = lock_file.lock
    for platform in lock.platforms:
        for _, wheel in wheels_of(lock, platform):
            if wheel.path:
                yield wheel.path, wheel.sha256
    for row in lock.base.run_layers if lock.base is not None else ():
        yield row.path, row.sha256
