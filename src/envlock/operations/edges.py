"""The edges that an operation is handed, wired by the command line."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from envlock.model.edges import Archives, Artifacts, Downloads, Progress, Resolver, Sandbox


@dataclass(frozen=True, kw_only=True)
class Edges:
    """Everything outside this process that locking, fetching and building reach."""

    resolver: Resolver
    downloads: Downloads
    artifacts: Artifacts
    archives: Archives
    sandbox: Sandbox
    progress: Progress
    now: datetime.datetime
    """Only for the validity of live release files; it reaches no lock."""
