"""The edges that an operation is handed, wired by the command line."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from envlock.model.edges import (
    Archives,
    Artifacts,
    Compiler,
    Downloads,
    Progress,
    Registry,
    Resolver,
    Sandbox,
    Solver,
    Steps,
)
from envlock.model.index import Indexes
from envlock.model.platform import Platform


@dataclass(frozen=True, kw_only=True)
class Edges:
    """Everything outside this process that locking, fetching and building reach."""

    resolver: Resolver
    downloads: Downloads
    artifacts: Artifacts
    archives: Archives
    sandbox: Sandbox
    compiler: Callable[[Path, str], AbstractContextManager[Compiler]]
    """Opens an interpreter (absolute path inside) of an unpacked root."""
    progress: Progress
    registry: Callable[[], Registry]
    """Opens the registries of base images."""
    steps: Callable[[], Steps]
    """Opens what executes the `run` steps of images."""
    solver: Callable[[], Solver | None]
    """Finds this machine's apt; without it the built-in closure chooses Debian packages."""
    indexes: Indexes = field(default_factory=Indexes)
    """Where this machine fetches packages from, and what of it a lock may name."""
    machine: Platform | None = None
    """The Linux platform whose programs this machine runs, itself or in an Engine; None where none is known."""
    now: datetime.datetime
    """Only for the validity of live release files; it reaches no lock."""
