"""A real git repository that a test writes commits into, without this machine's configuration of git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_ALONE = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


class GitRepository:
    """A folder with a repository of its own."""

    def __init__(self, folder: Path, *, branch: str = "main") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", branch)

    def git(self, *arguments: str, environment: dict[str, str] | None = None) -> str:
        """Run git in the folder and return what it printed."""
        settings = ["-c", "user.name=Ana", "-c", "user.email=ana@example.com", "-c", "commit.gpgsign=false"]
        settings += ["-c", "protocol.file.allow=always", "-c", "advice.detachedHead=false"]
        own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        done = subprocess.run(
            ["git", "-C", str(self.folder), *settings, *arguments],
            capture_output=True,
            text=True,
            check=True,
            env=own | _ALONE | (environment or {}),
        )
        return done.stdout.strip()

    def commit(self, subject: str, *, author: str = "Ana", day: int = 1) -> str:
        """Commit everything and return the commit."""
        when = f"2025-03-{day:02}T09:30:00+01:00"
        self.git("add", "--all")
        self.git(
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            subject,
            f"--author={author} <{author.lower()}@example.com>",
            environment={"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when},
        )
        return self.git("rev-parse", "HEAD")

    def clone(self, folder: Path, *options: str) -> Path:
        """Clone it as a server would serve it, so that --depth counts."""
        self.git("clone", "-q", *options, self.folder.as_uri(), str(folder))
        return folder
