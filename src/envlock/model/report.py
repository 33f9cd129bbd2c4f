"""What a report holds: one environment on one machine, as it was seen there, with nothing that says whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from envlock.model.finding import Impact, Outcome, Severity
from envlock.model.machine import Machine
from envlock.model.numerics import Numerics
from envlock.model.observation import Interpreter, Variables
from envlock.model.unknown import Unknown

SCHEMA = 1

Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Commit = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?\Z")]
Time = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z")]


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where an installer says that it took a distribution from, without the place itself (direct_url.json)."""

    kind: Literal["directory", "archive", "vcs"]
    editable: bool = False
    sha256: Sha256 | None = None
    """Of an archive."""


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """One distribution."""

    name: str
    """Normalised."""
    version: str
    installer: str = ""
    source: Source | None = None
    """None for what came from an index."""
    contents: tuple[Sha256, ...] = ()
    """The `contents` digest that its wheel has in a lock: one for each way to read the installed files as a wheel's,
    nearly always one alone. Empty where files were not hashed."""
    problem: str = ""
    """What of it could not be read."""
    requires: tuple[str, ...] = ()
    """Normalised names of the distributions that it needs here, its markers evaluated (METADATA, Requires-Dist)."""


class Startup(msgspec.Struct, frozen=True, kw_only=True):
    """A file that runs whenever this Python starts and belongs to no distribution."""

    name: str
    """Its file name in site-packages."""
    sha256: Sha256 | None = None
    """Of the file, or of the lines of a .pth that are executed; None where it was not read."""


class Checkout(msgspec.Struct, frozen=True, kw_only=True):
    """What git says of the project's folder."""

    commit: Commit
    dirty: bool
    """Whether tracked files differ from it."""
    root: Commit | None = None
    """The first commit, which all clones of a project share; None in a shallow clone."""


class LockedAs(msgspec.Struct, frozen=True, kw_only=True):
    """Which lock the project had for this environment, which says nothing of what is installed."""

    env: str
    digest: Sha256


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A finding as a report tells it: without folders, and without what somebody at home would type."""

    rule: str
    severity: Severity
    impact: Impact
    subject: str
    expected: str = ""
    found: str = ""
    package: str = ""
    """Normalised name, where it is about a package or one of its files."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What `envlock verify` said there, when the report was made."""

    lock: Sha256
    """Digest of the lock that it was held against."""
    mode: Literal["quick", "full"]
    outcome: Outcome
    findings: tuple[Told, ...] = ()
    """Errors first; notes (`info`) are left out."""
    untold: int = 0
    """How many more there were than a report tells."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """An environment and the machine that it runs on. What could not be seen is Unknown; None was not looked at."""

    envlock: str
    """Version of envlock that made it."""
    created: Time
    """By UTC."""
    full: bool
    """Whether installed files were hashed."""
    interpreter: Interpreter | Unknown
    distributions: tuple[Installed, ...] | Unknown
    """Those that are imported, sorted by name: of several folders of sys.path the first that has a name."""
    startup: tuple[Startup, ...] = ()
    """Sorted by name."""
    variables: Variables | Unknown | None = None
    machine: Machine | Unknown | None = None
    checkout: Checkout | Unknown | None = None
    inputs: Mapping[str, Sha256 | None] = {}
    """Name of each data file, relative to the project's folder, to the sha256 of its bytes; None where there is no
    such file."""
    lock: LockedAs | None = None
    judged: Judged | Unknown | None = None
    """None where there was no lock; Unknown where there is one that nothing could be held against."""
    numerics: Numerics | Unknown | None = None
    """What probes answered, where that was asked for."""
