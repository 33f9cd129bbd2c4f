"""A project with locks and kept reports as a folder of files, and its history as a table of such folders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec.structs import replace

from envlock.errors import UsageError
from envlock.formats.pylock import write_lock
from envlock.formats.report import report_bytes
from envlock.model.lock import LockFile
from envlock.model.manifest_parser import find_manifest
from envlock.model.report import LockedAs
from envlock.model.revision import Revision
from envlock.operations.inputs import inputs_of
from tests.unit.reports import installed, report
from tests.unit.venvs import lock_of
from tests.unit.wheels import make_wheel

MANIFEST = """\
[env.train]
python = "3.9"
frameworks = { tensorflow = "==2.5.0" }
dependencies = ["numpy", "six"]
"""
REVIEW = '\n[review]\nlabels = { framework = "framework-change", reports = "tell-the-team" }\n'
PINS = {"tensorflow": "2.5.0", "numpy": "1.19.5", "six": "1.15.0"}
LOCK = "lockfiles/pylock.train.toml"
Files = Mapping[str, bytes]


class Team:
    """A folder in which files are written one after the other, as somebody edits a project."""

    def __init__(self, folder: Path, manifest: str = MANIFEST) -> None:
        self.folder = folder
        self._wheels = folder.parent / "wheels"
        self._wheels.mkdir(parents=True, exist_ok=True)
        self.write("envlock.toml", manifest.encode())

    def write(self, name: str, raw: bytes) -> None:
        """Write one file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)

    def lock(self, env: str = "train", **versions: str) -> LockFile:
        """Write a fresh lock of the manifest that is there, with other versions than the usual ones where given."""
        manifest = find_manifest(self.folder)
        pins = {**PINS, **versions}
        made = lock_of(
            [make_wheel(self._wheels, name, version) for name, version in pins.items()],
            env=env,
            python=manifest.environment(env).python,
            frameworks=("tensorflow",),
        ).lock
        lock = replace(made, inputs=inputs_of(manifest, manifest.environment(env)))
        self.write(f"lockfiles/pylock.{env}.toml", write_lock(lock))
        return LockFile(lock=lock, raw=write_lock(lock))

    def report(self, name: str, lock: LockFile, **versions: str) -> None:
        """Keep a teammate's report of an environment that was made from a lock, with some packages exchanged."""
        env = lock.lock.env
        made = report(
            distributions=installed(**{**PINS, **versions}), lock=LockedAs(env=env, digest=lock.digest), checkout=None
        )
        self.write(f"lockfiles/reports/{env}/{name}.json", report_bytes(made))

    def files(self) -> Files:
        """Return everything that is there now, by its path."""
        found = (path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in found}


class History:
    """Revisions by name, each with its files."""

    shallow = False

    def __init__(self, folder: Path, **revisions: Files) -> None:
        self._folder = folder
        self._revisions = revisions

    def resolve(self, text: str) -> Revision:
        """Return the revision of that name; its commit is made from the name."""
        if text not in self._revisions:
            raise UsageError("unknown-revision", "There is no such revision.", found=text)
        return Revision(commit=text.encode().hex().ljust(40, "0"), author="Ana", when="", subject="")

    def file_at(self, commit: str, path: Path) -> bytes | None:
        """Return a file."""
        return self._files(commit).get(Path(os.path.relpath(path, self._folder)).as_posix())

    def files_at(self, commit: str, folder: Path) -> tuple[str, ...]:
        """Return the names of files directly in a folder."""
        prefix = folder.relative_to(self._folder).as_posix() + "/"
        found = [name.removeprefix(prefix) for name in self._files(commit) if name.startswith(prefix)]
        return tuple(sorted(name for name in found if "/" not in name))

    def changes_of(self, path: Path, start: str = "HEAD") -> Iterator[Revision]:
        """Yield nothing: no review asks."""
        yield from ()

    def _files(self, commit: str) -> Files:
        return next(files for name, files in self._revisions.items() if self.resolve(name).commit == commit)
