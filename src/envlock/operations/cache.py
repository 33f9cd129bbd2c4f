"""`envlock cache`: whether what envlock keeps on this machine is what it was, and what of it may go."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec.structs import replace

from envlock.formats.sha256 import file_sha256
from envlock.image.bytecode_cache import is_whole
from envlock.image.layer_cache import LayerCache
from envlock.image.root import remove
from envlock.locking.digests import is_confirmation
from envlock.model.edges import Progress
from envlock.operations.cache_items import KINDS, OF_LAYERS, Item, Kind, entries, item_of, items
from envlock.operations.roots import is_as_left

_HASHED: tuple[Kind, ...] = ("files", "layers", "pulled", "bytecode", "roots")
_THREADS = 2
"""Hashing keeps one processor busy each, and one disk is not read faster by more."""


class Storage(Protocol):
    """The cache on disk, with the locks that those who use it hold."""

    root: Path

    def in_use_since(self) -> float:
        """Return when the process that uses the cache longest began, this one among them, as st_mtime counts."""

    def gate(self) -> AbstractContextManager[None]:
        """Pass the gate that files are stamped and removed behind, one at a time."""

    def lock_if_free(self, key: str) -> AbstractContextManager[bool]:
        """Hold the lock of one key if nobody else does; tells whether it is held."""


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not what it was when it was kept."""

    kind: Kind
    name: str
    """Relative to the cache, with slashes."""
    expected: str
    found: str
    removed: bool = False
    """So that it is fetched or made anew."""


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at every byte found."""

    checked: int
    busy: int
    """Layers and roots that another process was making; they were not looked at."""
    damaged: tuple[Damage, ...]


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """What was removed, and what is left."""

    removed: tuple[Item, ...]
    left: int
    """Bytes."""
    in_use: int
    """Bytes that were to go, but that a process uses."""


def verify(storage: Storage, progress: Progress, *, fix: bool = False) -> Checked:
    """Hash every file, layer and bytecode, and look at every root; with `fix`, remove what is damaged.

    What was not finished is no damage: nobody uses it. A damaged root that a process may still run in stays.
    """
    in_use_since = storage.in_use_since() if fix else 0.0
    wanted = [item for item in items(storage.root, _HASHED) if item.kind in _HASHED]
    with (
        progress.task("Checking the cache", sum(item.size for item in wanted), unit="bytes") as task,
        ThreadPoolExecutor(_THREADS) as threads,
    ):

        def look(item: Item) -> tuple[bool, list[Damage]]:
            with _held(storage, item) as held:
                damages = list(_damages(storage.root, item)) if held else []
                if damages and fix and (item.kind != "roots" or item.used < in_use_since):
                    for damage in damages:
                        _remove(item if item.kind != "files" else replace(item, path=storage.root / damage.name))
                    damages = [replace(damage, removed=True) for damage in damages]
            task.advance(item.size)
            return held, damages

        results = list(threads.map(look, wanted))
    return Checked(
        checked=sum(held for held, _ in results),
        busy=sum(not held for held, _ in results),
        damaged=tuple(damage for _, damages in results for damage in damages),
    )


def prune(
    storage: Storage,
    *,
    keep: int | None = None,
    unused_since: float | None = None,
    everything: bool = False,
    kinds: Iterable[Kind] = KINDS,
) -> Pruned:
    """Remove what processes that were ended left behind, and of `kinds` what is asked for, the longest unused first.

    Nothing that a process uses or writes is removed: that is what was used, or begun, since the oldest of them began.

    Args:
        keep: bytes that may stay.
        unused_since: remove what was not used since then, as st_mtime counts.
        everything: remove all that is not in use.
    """
    in_use_since = storage.in_use_since()
    found = items(storage.root, kinds)
    left, in_use, removed = sum(item.size for item in found), 0, []
    for item in found:
        if not (
            everything
            or item.kind == "leftovers"
            or (unused_since is not None and item.used < unused_since)
            or (keep is not None and left > keep)
        ):
            continue
        with _held_to_remove(storage, item) as held:
            now = item_of(item.kind, item.path)
            if held and now is not None and now.used < in_use_since:
                _remove(item)
                removed.append(item)
                left -= item.size
            elif item.kind != "leftovers":
                in_use += item.size
    return Pruned(removed=tuple(removed), left=left, in_use=in_use)


@contextmanager
def _held(storage: Storage, item: Item) -> Iterator[bool]:
    """Hold what those hold who make or stamp an item; tells whether nobody else does."""
    folder = item.path.parent.name
    if folder in OF_LAYERS and not item.path.name.startswith("."):
        with LayerCache(item.path.parent).held_if_free(item.path.name) as held:
            yield held
    elif folder == "roots" and not item.path.name.startswith("."):
        with storage.lock_if_free(f"root-{item.path.name}") as held:
            yield held
    else:
        yield True


@contextmanager
def _held_to_remove(storage: Storage, item: Item) -> Iterator[bool]:
    if item.kind == "files":
        with storage.gate():
            yield True
    else:
        with _held(storage, item) as held:
            yield held


def _damages(root: Path, item: Item) -> Iterator[Damage]:
    match item.kind:
        case "files":
            for path in entries(item.path):
                found = _sha256(path) if not _is_confirmation(path) else None
                if found not in (None, item.path.name):
                    yield _damage(root, item.kind, path, f"sha256 {item.path.name}", f"sha256 {found}")
        case "layers" | "pulled":
            cache = LayerCache(item.path.parent)
            layer = cache.known(item.path.name)
            found = _sha256(cache.blob(item.path.name))
            if layer is None or f"sha256:{found}" != layer.digest:
                expected = layer.digest if layer else "a readable layer.json"
                yield _damage(root, item.kind, item.path, expected, f"sha256:{found}" if found else "no blob")
        case "bytecode":
            if not is_whole(item.path):
                yield _damage(root, item.kind, item.path, "what it says of itself", "other bytes")
        case "roots":
            if not is_as_left(item.path):
                yield _damage(root, item.kind, item.path, "every file as it was unpacked", "changed, or copied")


def _damage(root: Path, kind: Kind, path: Path, expected: str, found: str) -> Damage:
    return Damage(kind=kind, name=path.relative_to(root).as_posix(), expected=expected, found=found)


def _is_confirmation(path: Path) -> bool:
    try:
        return is_confirmation(path)
    except OSError:  # it is gone
        return True


def _sha256(path: Path) -> str | None:
    try:
        return file_sha256(path)
    except OSError:
        return None


def _remove(item: Item) -> None:
    """Remove an item, first what says that it is there."""
    path = item.path
    if path.parent.name in OF_LAYERS and not path.name.startswith("."):
        LayerCache(path.parent).drop(path.name)
    elif path.parent.name == "roots":
        path.with_suffix(".state").unlink(missing_ok=True)
        remove(path)
    elif path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
