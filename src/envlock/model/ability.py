"""What `envlock status` tells: what this machine is able to do, and how the environments stand."""

from __future__ import annotations

from typing import Literal

import msgspec

from envlock.model.finding import Outcome
from envlock.model.verified import Verified

State = Literal["able", "unable", "unknown", "absent"]


class Ability(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that envlock may need of a machine."""

    name: str
    state: State
    """`absent` is what nothing here asks for, such as an Engine that is not running."""
    said: str
    """What was found, in a few words."""
    serves: str = ""
    """What it is needed for."""
    hint: str = ""
    """What to do where it is unable."""


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """Where the image of a lock is in a registry."""

    image: str
    """Reference with the lock's tag and the digest."""
    tags: tuple[str, ...] = ()
    """Those that people gave and that name this image now, sorted."""
    unasked: int = 0
    """How many more tags there are that nobody was asked about."""


class KeptReport(msgspec.Struct, frozen=True, kw_only=True):
    """A report that the project keeps, in one line."""

    name: str
    """Whose, as the file is called."""
    created: str = ""
    """RFC 3339, UTC."""
    outcome: Outcome | None = None
    """What `verify` said there; None where nothing was held against a lock."""
    current: bool = False
    """Whether that was the lock as it is now."""
    signer: str = ""
    """The key that signed it, and who that is where that is known; empty where nobody did."""
    vouched: bool = False
    """Whether that key is one of the allowed signers'."""
    refused: str = ""
    """Why it is not believed, or cannot be read."""
    forged: bool = False
    """Whether it is its signature that it is refused for."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How one environment of the manifest stands on this machine."""

    env: str
    lock: Literal["fresh", "stale", "missing", "broken"]
    lock_digest: str = ""
    changed: tuple[str, ...] = ()
    """Which inputs of a stale lock changed, or what is wrong with a broken one."""
    venv: Literal["in step", "out of step", "missing", ""] = ""
    """By the names of what is installed: `verify` looks at the files. Empty where there is no lock to compare with."""
    differences: tuple[str, ...] = ()
    hardware: str = ""
    """Which class of the lock this machine is of, such as `class laptop`; empty where the lock names none."""
    vouched: bool = False
    """Whether envlock.sum vouches for the lock's image on each of its platforms."""
    built: str = ""
    """Where a build of the lock's image is, below the project's folder; empty where there is none."""
    image: str = ""
    """Reference with digest of the lock's image, where its registry has it."""
    tags: tuple[str, ...] = ()
    """Tags that people gave that image there."""
    unasked_tags: int = 0
    verified: Verified | None = None
    """The last verification of the project's environment on this machine."""
    reports: tuple[KeptReport, ...] = ()
    """The newest ones that the project keeps, newest first."""
    older_reports: int = 0
    """How many more there are."""
    next: str = ""
    """The command to run next; empty where all is in step."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer."""

    abilities: tuple[Ability, ...]
    standings: tuple[Standing, ...] = ()

    @property
    def exit_code(self) -> int:
        """4 where a kept report is not what was signed, or not signed by whom it has to be."""
        return 4 if any(report.forged for row in self.standings for report in row.reports) else 0
