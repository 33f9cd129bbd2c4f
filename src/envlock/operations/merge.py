"""The merge driver: the lock of a merged manifest, while git is still merging it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Protocol

from envlock.errors import EnvlockError, UsageError
from envlock.formats.pylock import parse_lock, write_lock
from envlock.locking.merge import merged_lock, pins_of, salvaged
from envlock.locking.requirements_file import included_files
from envlock.model.lock import Lock
from envlock.model.manifest import FILENAME, Environment, Manifest
from envlock.model.manifest_parser import parse_manifest, read_document
from envlock.model.reference import is_reference
from envlock.operations.edges import Edges
from envlock.operations.lock import lock_environment
from envlock.operations.upgrade import Upgrade


class MergedFiles(Protocol):
    """The files of the merge that git is about to write."""

    def merged(self, path: str) -> bytes | None:
        """Return a file by its path below the repository's root, None where there is none any more.

        Raises UsageError (`merge-conflict`).
        """


def merge_locks(
    path: str,
    ancestor: bytes,
    ours: bytes,
    theirs: bytes,
    *,
    tree: Path,
    files: MergedFiles,
    edges_for: Callable[[Manifest], Edges],
) -> bytes:
    """Return the lock of the merged manifest, as if `envlock lock` had been run once git is done.

    Args:
        path: of the lock, below the repository's root.
        ancestor: the lock as both sides had it; empty where there was none.
        ours: the lock of this side.
        theirs: the lock of the other one.
        tree: the work tree's root, which holds this side's files.
        files: the others, merged.
        edges_for: the edges of `lock`, for the merged manifest.

    Raises UsageError (`merge-conflict`, `no-manifest`, `unknown-env`), and what `lock_environment` raises.
    """
    place = PurePosixPath(path)
    env = place.name.removeprefix("pylock.").removesuffix(".toml")
    folder = place.parent.parent
    previous = _starting_point(env, ancestor, ours, theirs, place.name)
    with tempfile.TemporaryDirectory(prefix="envlock-") as name:
        stage = _Stage(Path(name) / "tree", tree / folder, folder, files)
        manifest = _manifest(stage)
        _bring_inputs(stage, manifest, manifest.environment(env))
        locked = lock_environment(manifest, env, previous=previous, upgrade=Upgrade(), edges=edges_for(manifest))
        return write_lock(locked.lock)


def _starting_point(env: str, ancestor: bytes, ours: bytes, theirs: bytes, where: str) -> Lock:
    """Merge the three locks; of damaged ones the pins alone."""
    try:
        old = parse_lock(ancestor, where).lock if pins_of(ancestor.decode("utf-8", "replace")) else None
        return merged_lock(old, parse_lock(ours, where).lock, parse_lock(theirs, where).lock)
    except EnvlockError as error:
        if error.reference == "newer-lock":
            raise
        texts = (raw.decode("utf-8", "replace") for raw in (ours, ancestor, theirs))
        return salvaged("<<<<<<< ours\n{}||||||| ancestor\n{}=======\n{}>>>>>>> theirs\n".format(*texts), env)


class _Stage:
    """A folder like the manifest's, where merged files stand in place of the work tree's."""

    def __init__(self, folder: Path, original: Path, prefix: PurePosixPath, files: MergedFiles) -> None:
        self.folder = folder
        self._original = original.resolve()
        self._prefix = prefix
        self._files = files
        _link_children(self._original, folder)

    def bring(self, name: str) -> bytes | None:
        """Put a merged file, named relative to the manifest, into its place."""
        path = PurePosixPath(os.path.normpath(self._prefix / name))
        raw = None if path.parts[:1] == ("..",) else self._files.merged(str(path))
        if raw is None or ".." in PurePosixPath(os.path.normpath(name)).parts:
            return raw
        place = self.folder
        for part in PurePosixPath(os.path.normpath(name)).parts[:-1]:
            place /= part
            if place.is_symlink():
                original = place.resolve()
                place.unlink()
                _link_children(original, place)
            place.mkdir(exist_ok=True)
        place /= PurePosixPath(name).name
        place.unlink(missing_ok=True)
        place.write_bytes(raw)
        return raw


def _link_children(original: Path, folder: Path) -> None:
    folder.mkdir()
    for child in original.iterdir():
        if child.name != ".git":
            (folder / child.name).symlink_to(child)


def _manifest(stage: _Stage) -> Manifest:
    raw = stage.bring(FILENAME)
    if raw is not None:
        return parse_manifest(stage.folder / FILENAME, read_document(raw, FILENAME))
    raw = stage.bring("pyproject.toml")
    table = read_document(raw, "pyproject.toml").get("tool", {}).get("envlock") if raw else None
    if not isinstance(table, dict):
        raise UsageError("no-manifest", "The merge has no manifest beside its lockfiles.")
    return parse_manifest(stage.folder / "pyproject.toml", table)


def _bring_inputs(stage: _Stage, manifest: Manifest, environment: Environment) -> None:
    """Put every file that decides the lock into its place, merged."""
    pending = list(environment.from_)
    if environment.image is not None and not is_reference(environment.image.base):
        pending.append(f"images/{environment.image.base}.toml")
    seen = set()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        place = PurePosixPath(name)
        raw = None if place.name == manifest.path.name and len(place.parts) == 1 else stage.bring(name)
        if place.name in ("uv.lock", "poetry.lock"):
            pending.append(str(place.with_name("pyproject.toml")))
        elif raw is not None and place.suffix != ".toml":
            pending += [str(place.parent / inner) for inner in included_files(raw.decode("utf-8", "replace"))]
