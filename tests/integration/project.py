"""A user's project in an empty folder, driven through the real command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

SMALL = """\
[env.small]
python = "3.11"
dependencies = ["click==8.1.7", "pyyaml==6.0.2"]
as-of = "2025-01-01"

[env.small.image]
base = "debian-bookworm-python3.11"
"""


class Result(msgspec.Struct, frozen=True):
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The result parsed."""
        return json.loads(self.out)


class Project:
    """A folder with a manifest and a cache of its own."""

    def __init__(self, folder: Path, manifest: str | None = SMALL, *, cache: Path | None = None) -> None:
        self.folder = folder
        self.cache = cache
        folder.mkdir(parents=True, exist_ok=True)
        if manifest is not None:
            (folder / "envlock.toml").write_text(manifest, "utf-8")

    def run(self, *arguments: str, environment: dict[str, str] | None = None) -> Result:
        """Run envlock here."""
        return self.run_command(sys.executable, "-m", "envlock", *arguments, environment=environment)

    def run_command(self, *command: str, environment: dict[str, str] | None = None) -> Result:
        """Run any command here, with this project's cache."""
        env = {k: v for k, v in os.environ.items() if not k.startswith(("ENVLOCK_", "VIRTUAL_ENV"))}
        if self.cache is not None:
            env["ENVLOCK_CACHE_DIR"] = str(self.cache)
        env |= environment or {}
        done = subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return Result(done.returncode, done.stdout, done.stderr)

    def ok(self, *arguments: str, environment: dict[str, str] | None = None) -> Result:
        """Run envlock here and expect success."""
        result = self.run(*arguments, environment=environment)
        assert result.code == 0, f"exit {result.code}: {result.err}{result.out}"
        return result

    def lock_path(self, env: str = "small") -> Path:
        """Where the lock of an environment is."""
        return self.folder / "lockfiles" / f"pylock.{env}.toml"
