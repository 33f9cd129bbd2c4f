"""The held history: twenty real changes of one environment's lock, as a git repository of three people.

`steps.toml` says what was changed and what that does; the patches are what `envlock lock` made of it, recorded by
`tools/record_history.py`.
"""

from __future__ import annotations

import os
import subprocess
import tomllib
from pathlib import Path

import msgspec

from envlock.formats.pylock import parse_lock
from envlock.model.lock import LockFile
from envlock.model.records import convert

FOLDER = Path(__file__).parent
LOCK = "lockfiles/pylock.tf25.toml"
UNBUILT = "Take TensorFlow's security release"
"""The step whose image nobody built: envlock.sum has none of it."""
TAG = "paper"
AT_TAG = 10
"""The step that the tag points at."""
_SETTINGS = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_COMMITTER_NAME": "Recorder",
    "GIT_COMMITTER_EMAIL": "recorder@example.com",
}


class Step(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """One commit, and what somebody who knows says that it changed."""

    subject: str
    author: str
    date: str
    told: tuple[str, ...] = ()
    """``area subject: before → after`` of all changes, in order."""
    told_first: tuple[str, ...] = ()
    """Of what changes results alone, where there is too much for one person to write down."""
    brought: dict[str, str] = {}
    chains: dict[str, str] = {}


_DOCUMENT = tomllib.loads((FOLDER / "steps.toml").read_text(encoding="utf-8"))
START = convert(_DOCUMENT["start"], Step)
STEPS = tuple(convert(step, Step) for step in _DOCUMENT["step"])


class History(msgspec.Struct, frozen=True, kw_only=True):
    """The repository, and its locks; the first one is that of the start."""

    folder: Path
    locks: tuple[LockFile, ...]

    def back(self, number: int) -> str:
        """Return how git calls the commit of a step from the newest one; 0 is the start."""
        return f"HEAD~{len(STEPS) - number}"


def make_history(folder: Path) -> History:
    """Make the repository in an empty folder: the same commits on every machine."""
    git(folder, "init", "-q", "-b", "main")
    git(folder, "am", "-q", "--committer-date-is-author-date", *map(str, sorted(FOLDER.glob("*.patch"))))
    git(folder, "tag", TAG, f"HEAD~{len(STEPS) - AT_TAG}")
    raws = (git(folder, "show", f"HEAD~{back}:{LOCK}") for back in range(len(STEPS), -1, -1))
    return History(folder=folder, locks=tuple(parse_lock(raw, LOCK) for raw in raws))


def git(folder: Path, *arguments: str) -> bytes:
    """Run git without anybody's settings."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")} | _SETTINGS
    return subprocess.run(["git", *arguments], cwd=folder, env=environment, check=True, capture_output=True).stdout
