"""A workbench: a locked project whose environment is put back, whole, before each thing that is done to it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
from click.testing import CliRunner
from uv import find_uv_bin

from envlock.cli.main import cli
from envlock.errors import EnvlockError
from envlock.formats.pylock import read_lock
from envlock.model.factors import MARKER, marker_of
from envlock.model.machine import Machine
from tests.integration.project import Project
from tests.unit.wheels import record_line

_SETTINGS = ("ENVLOCK_", "VIRTUAL_ENV", "CONDA_", "PYTHON", "UV_", "OMP_", "MKL_", "OPENBLAS_", "GITHUB_", "CI")
"""What of this machine's environment must not decide what a test sees."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What one `envlock verify --json` said."""

    code: int
    findings: tuple[dict[str, Any], ...] = ()
    error: str = ""
    """The reference of the error that ended it without a verdict."""

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules of all findings but notes, in the order of the verdict."""
        return tuple(dict.fromkeys(f["rule"] for f in self.findings if f["severity"] != "info"))

    def __str__(self) -> str:
        rows = [
            f"  {f['severity']} [{f['rule']}] {f['subject']}: expected {f['expected']}, found {f['found']}"
            for f in self.findings
        ]
        return "\n".join([f"exit code {self.code} {self.error}", *rows])


def clean_variables() -> dict[str, str]:
    """Return this process's environment without what tools and numerical libraries read."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}


def invoke(
    *arguments: str,
    folder: Path,
    variables: Mapping[str, str] | None = None,
) -> Seen:
    """Run `envlock verify … --json` in this process, with the error handling of the real command.

    `variables` are the whole environment that it sees.
    """
    wanted = clean_variables() if variables is None else dict(variables)
    env: dict[str, str | None] = dict.fromkeys(os.environ)
    here = Path.cwd()
    try:
        done = CliRunner().invoke(
            cli, ["-C", str(folder), "verify", *arguments, "--json"], env=env | wanted, standalone_mode=False
        )
    finally:
        os.chdir(here)
    if isinstance(done.exception, EnvlockError):
        return Seen(code=done.exception.exit_code, error=done.exception.reference)
    if done.exception is not None:
        raise done.exception
    return read(done.return_value, done.stdout)


def invoke_for_real(*arguments: str, folder: Path, variables: Mapping[str, str], before: Sequence[str] = ()) -> Seen:
    """Run the same by a process of its own, behind the words of `before`, such as taskset's."""
    command = [*before, sys.executable, "-m", "envlock", "verify", *arguments, "--json"]
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return read(done.returncode, done.stdout)


def read(code: int, out: str) -> Seen:
    """Return what a command printed."""
    return Seen(code=code, findings=tuple(json.loads(out)["findings"]) if out.strip() else ())


def uv(*arguments: str | Path, variables: Mapping[str, str] | None = None) -> None:
    """Run uv, quietly, with nothing of this machine's settings but its indexes."""
    indexes = ("UV_CACHE", "UV_DEFAULT", "UV_INDEX")
    keep = {name: value for name, value in os.environ.items() if name.startswith(indexes)}
    done = subprocess.run(
        [find_uv_bin(), "--no-config", "--quiet", *map(str, arguments)],
        env=clean_variables() | keep | dict(variables or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


class Bench:
    """A project, its environment, and what a test changes of either or of their surroundings."""

    def __init__(self, project: Project, spare: Path) -> None:
        self.project = project
        self.folder = project.folder
        self.venv = self.folder / ".venv"
        self.spare = spare
        """Whatever a test needs beside the project."""
        self._pristine = self.folder.with_name(f"{self.folder.name}-pristine")
        subprocess.run(["cp", "-a", self.folder, self._pristine], check=True)
        self.restore()

    def restore(self) -> None:
        """Put project and surroundings back. Files are hard links to the pristine ones, so nothing may be edited."""
        shutil.rmtree(self.folder)
        subprocess.run(["cp", "-al", self._pristine, self.folder], check=True)
        shutil.rmtree(self.spare, ignore_errors=True)
        self.spare.mkdir()
        self.variables: dict[str, str] = {}
        """Set besides."""
        self.options: list[str] = []
        """What is asked besides, such as another target."""
        self.machine: Machine | None = None
        """A recorded one."""
        self.before: list[str] = []
        """Words before the command, such as taskset's."""

    @property
    def lock(self) -> Path:
        """The lock of the one environment."""
        (found,) = (self.folder / "lockfiles").glob("pylock.*.toml")
        return found

    @property
    def manifest(self) -> Path:
        """The manifest."""
        return self.folder / "envlock.toml"

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.venv / "bin/python"

    @property
    def site(self) -> Path:
        """The environment's site-packages."""
        (found,) = self.venv.glob("lib/python*/site-packages")
        return found

    def dist_info(self, name: str) -> Path:
        """The metadata folder of an installed distribution."""
        (found,) = (path for path in self.site.glob("*.dist-info") if path.name.lower().startswith(f"{name}-"))
        return found

    def write(self, path: Path, content: bytes | str) -> Path:
        """Put a file there, whatever was there before, without touching what that was linked to."""
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = path.stat().st_mode if path.exists() else 0o644
        path.unlink(missing_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode & 0o7777)
        return path

    def change(self, path: Path, change: Callable[[bytes], bytes]) -> Path:
        """Replace a file by what becomes of its bytes."""
        return self.write(path, change(path.read_bytes()))

    def replace(self, path: Path, old: str, new: str) -> Path:
        """Replace text of a file, which must be there."""
        text = path.read_text("utf-8")
        assert old in text, f"{path.name} has no {old!r}"
        return self.write(path, text.replace(old, new))

    def record(self, path: Path) -> None:
        """Make the RECORDs that list a file agree with it again."""
        relative = os.path.relpath(path, self.site)
        for record in self.site.glob("*.dist-info/RECORD"):
            lines = record.read_text("utf-8").splitlines(keepends=True)
            new = [record_line(relative, path.read_bytes()) if x.startswith(f"{relative},") else x for x in lines]
            if new != lines:
                self.write(record, "".join(new))

    def install(self, *arguments: str | Path) -> None:
        """`uv pip install` into the environment, without dependencies."""
        uv("pip", "install", "--python", self.venv, "--no-deps", *arguments)

    def uninstall(self, *names: str) -> None:
        """`uv pip uninstall`."""
        uv("pip", "uninstall", "--python", self.venv, *names)

    def compile(self, *arguments: str | Path) -> None:
        """Compile modules with the environment's Python."""
        subprocess.run([self.python, "-m", "compileall", "-q", *arguments], env=clean_variables(), check=True)

    def as_run(self) -> None:
        """Set what `envlock run` sets."""
        read = read_lock(self.lock)
        self.variables |= read.lock.settings.variables | {MARKER: marker_of(read.lock.env, read.digest)}

    def verify(self, *options: str) -> Seen:
        """Verify the target that the test made: in this process, or behind the words of `before` in one of its own.

        `machine` stands for the one that this is.
        """
        words = (*self.options, *options)
        if self.before:
            return invoke_for_real(*words, folder=self.folder, variables=self._variables(), before=self.before)
        with contextlib.ExitStack() as stack:
            if (machine := self.machine) is not None:
                stack.enter_context(mock.patch("envlock.adapters.machine.observe_machine", return_value=machine))
            return invoke(*words, folder=self.folder, variables=self._variables())

    def _variables(self) -> dict[str, str]:
        cache = {"ENVLOCK_CACHE_DIR": str(self.project.cache)} if self.project.cache else {}
        return clean_variables() | cache | self.variables
