"""What `envlock status` tells: what this machine is able to do, and how the environments stand."""

from __future__ import annotations

from typing import Literal

import msgspec

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
    image: str = ""
    """Reference with digest of the lock's image, where its registry has it."""
    next: str = ""
    """The command to run next; empty where all is in step."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer."""

    abilities: tuple[Ability, ...]
    standings: tuple[Standing, ...] = ()
