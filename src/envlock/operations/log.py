"""`envlock log`: what the commits that changed a lock changed of it, and which image each of them stands for."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from envlock.errors import EnvlockError, UsageError
from envlock.formats.pylock import parse_lock
from envlock.image.sums import Sums, parse_sums
from envlock.model.edges import Lineage
from envlock.model.lock import Lock, LockFile
from envlock.model.manifest import Manifest
from envlock.model.revision import Revision
from envlock.model.story import Chapter, Story
from envlock.operations.diff import diff_locks


def story_of(manifest: Manifest, env: str, history: Lineage, *, start: str = "HEAD", most: int | None = None) -> Story:
    """Tell the history of an environment's lock, also of an environment that the manifest no longer has.

    Args:
        start: a revision, or a range of them (``v1..HEAD``, gitrevisions(7)).
        most: how many changes are told; None for all.

    Raises UsageError: what `Revisions.resolve` raises, `no-history` where no commit has the lock, `unknown-env`.
    """
    path = manifest.lock_path(env)
    telling = _Telling(history, path, manifest.sums_path, start)
    revisions = history.changes_of(path, start)
    chapters = [telling.chapter(revision) for revision in itertools.islice(revisions, most)]
    if not chapters and ".." not in start:
        raise _no_history(manifest, env, history, start)
    return Story(
        env=env,
        path=path.relative_to(manifest.folder).as_posix(),
        start=start,
        chapters=tuple(chapters),
        more=next(revisions, None) is not None,
        uncommitted=start == "HEAD" and path.is_file() and history.file_at(start, path) != path.read_bytes(),
    )


class _Telling:
    """Locks are parsed once, though each is the earlier side of one change and the later of the next."""

    def __init__(self, history: Lineage, path: Path, sums: Path, start: str) -> None:
        self._history = history
        self._path = path
        self._sums = sums
        self._newest = start.rpartition("..")[2] or "HEAD"
        self._parsed: dict[str, LockFile | EnvlockError] = {}
        self._vouched: dict[str, Sums] = {}

    def chapter(self, revision: Revision) -> Chapter:
        commit = revision.commit
        raw = self._history.file_at(commit, self._path)
        if raw is None:
            return Chapter(revision=revision, event="removed")
        lock = self._lock(raw, commit)
        if isinstance(lock, EnvlockError):
            digest = hashlib.sha256(raw).hexdigest()
            return Chapter(revision=revision, event="unreadable", lock_digest=digest, remark=lock.what)
        told = Chapter(
            revision=revision,
            event="added",
            lock_digest=lock.digest,
            tag=f"lock-{lock.digest[:32]}" if lock.lock.image is not None else "",
            images=dict(self._images(lock.digest, commit)),
        )
        if self._history.cut_off_at(commit):
            return replace(told, event="cut-off", remark="the clone is shallow, and ends here")
        before = self._history.file_at(f"{commit}^1", self._path)
        if before is None:
            return replace(told, remark=_held(lock.lock))
        earlier = self._lock(before, f"{commit}^1")
        if isinstance(earlier, EnvlockError):
            return replace(told, event="changed", remark=f"the lock before it cannot be read: {earlier.what}")
        return replace(told, event="changed", changes=diff_locks(earlier, lock).changes)

    def _lock(self, raw: bytes, commit: str) -> LockFile | EnvlockError:
        digest = hashlib.sha256(raw).hexdigest()
        if digest not in self._parsed:
            try:
                self._parsed[digest] = parse_lock(raw, f"{commit}:{self._path.name}")
            except EnvlockError as error:
                self._parsed[digest] = error
        return self._parsed[digest]

    def _images(self, lock_digest: str, commit: str) -> Iterator[tuple[str, str]]:
        """Yield (platform, digest) that envlock.sum vouches for: often only a later commit does, after a build."""
        for at in (commit, self._newest):
            found = sorted(
                (row[1], digest) for row, digest in self._sums_at(at).images.items() if row[0] == lock_digest
            )
            if found:
                yield from found
                return

    def _sums_at(self, commit: str) -> Sums:
        if commit not in self._vouched:
            raw = self._history.file_at(commit, self._sums)
            try:
                self._vouched[commit] = parse_sums(raw or b"", f"{commit}:{self._sums.name}")
            except EnvlockError:  # a merge that nobody resolved, long ago: it vouches for nothing
                self._vouched[commit] = Sums()
        return self._vouched[commit]


def _held(lock: Lock) -> str:
    """Return what a first lock holds, in a few words."""
    number = len(lock.packages)
    frameworks = [f"{each.name} {each.version}" for each in lock.packages if each.name in lock.frameworks]
    named = f", with {', '.join(frameworks)}" if frameworks else ""
    return f"{number} package{'' if number == 1 else 's'} for Python {lock.python}{named}"


def _no_history(manifest: Manifest, env: str, history: Lineage, start: str) -> UsageError:
    """Return why there is nothing to tell; UsageError (`unknown-env`) for a name that never was an environment."""
    manifest.environment(env)
    path = manifest.lock_path(env)
    shown = path.relative_to(manifest.folder).as_posix()
    if not path.is_file():
        hint = f"envlock lock {env}"
    elif start == "HEAD":
        hint = f"git add {shown} && git commit"
    else:
        hint = f"envlock log {env} tells its history up to now"
    if history.shallow:
        hint += "; this clone is shallow: git fetch --unshallow"
    return UsageError("no-history", f"No commit has a lock of {env!r}.", where=f"{start}: {shown}", hint=hint)
