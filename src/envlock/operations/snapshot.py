"""A project as a commit has it, as far as locks follow from it, in a folder of its own, so that it is read like any."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Any

from envlock.errors import EnvlockError, UsageError
from envlock.locking.requirements_file import included_files
from envlock.model.edges import Revisions
from envlock.model.manifest import FILENAME, Manifest
from envlock.model.manifest_parser import own_table, parse_manifest, read_document

_PYPROJECT = "pyproject.toml"


def snapshot(revisions: Revisions, commit: str, project: Path, into: Path, *, name: str) -> Manifest | None:
    """Write manifest, requirements, recipes, locks and kept reports of a commit, and read the manifest.

    Args:
        revisions: of the repository.
        commit: whose files are written.
        project: the folder of the manifest, in the work tree.
        into: an empty folder. The project comes below it as deep as it is, so that `..` in it leads nowhere else.
        name: how the user named the commit, for errors.

    Returns None where the commit has no manifest. Raises UsageError for one that cannot be read.
    """
    writing = _Writing(revisions, commit, project, into)
    try:
        manifest = _manifest(writing)
    except EnvlockError as error:
        raise error_in(name, error) from None
    if manifest is None:
        return None
    try:
        for each in manifest.environments.values():
            for source in each.from_:
                writing.source(source)
    except EnvlockError as error:
        raise error_in(name, error) from None
    writing.folder_of("images", ".toml")
    writing.folder_of("lockfiles", "")
    for env in manifest.environments:
        writing.folder_of(manifest.reports_path(env).relative_to(manifest.folder).as_posix(), "")
    return manifest


def error_in(name: str, error: EnvlockError) -> EnvlockError:
    """Return the same error, saying of which commit the file is."""
    where = f"{name}:{error.where}" if error.where else name
    return type(error)(
        error.reference, error.what, where=where, expected=error.expected, found=error.found, hint=error.hint
    )


def _manifest(writing: _Writing) -> Manifest | None:
    for name in (FILENAME, _PYPROJECT):
        raw = writing.write(name)
        document: Any = read_document(raw, name) if raw is not None else {}
        table = document if name == FILENAME else own_table(document)
        if raw is not None and table is not None:
            return parse_manifest(writing.folder / name, table)
    return None


class _Writing:
    """Files of one commit on their way into one folder, each once."""

    def __init__(self, revisions: Revisions, commit: str, project: Path, into: Path) -> None:
        self._into = into.resolve()
        self.folder = self._into / project.relative_to(project.anchor)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._revisions = revisions
        self._commit = commit
        self._project = project

    def write(self, name: str) -> bytes | None:
        """Write a file named relative to the project; None where the commit has none, or one is there already.

        Raises UsageError (`no-requirements`) for a name that leads to this machine's own files, which would be read.
        """
        path = Path(os.path.normpath(self.folder / name))
        if not path.is_relative_to(self._into) or "\0" in name:
            raise UsageError("no-requirements", "A commit holds no file of this name.", where=name)
        if path.exists():
            return None
        raw = self._revisions.file_at(self._commit, Path(os.path.normpath(self._project / name)))
        if raw is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(raw)
        return raw

    def source(self, name: str) -> None:
        """Write a file of `from` and what it needs: the files that it includes, the pyproject.toml beside a lock."""
        self.write((PurePosixPath(name).parent / _PYPROJECT).as_posix())
        raw = self.write(name)
        if raw is None or name.endswith((".toml", ".lock")):
            return
        for inner in included_files(raw.decode("utf-8-sig", "replace")):
            self.source((PurePosixPath(name).parent / inner).as_posix())

    def folder_of(self, name: str, suffix: str) -> None:
        """Write the files directly in a folder whose names end so."""
        for each in self._revisions.files_at(self._commit, self._project / name):
            if each.endswith(suffix):
                self.write(f"{name}/{each}")
