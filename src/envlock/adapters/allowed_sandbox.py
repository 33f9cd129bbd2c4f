"""The sandbox that this machine allows: its namespaces, or a Docker Engine where they are forbidden."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from envlock.errors import EnvlockError, UnverifiableError, UsageError
from envlock.model.edges import Process, Sandbox


class AllowedSandbox:
    """The namespaces of this machine, and where they are forbidden an Engine.

    Args:
        namespaces: tried first.
        engine: makes the other one; UsageError (`no-engine`) where no Engine answers.
    """

    def __init__(self, namespaces: Sandbox, engine: Callable[[], Sandbox]) -> None:
        self._chosen = namespaces
        self._engine: Callable[[], Sandbox] | None = engine
        self._guard = threading.Lock()

    def start(
        self,
        root: Path,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        binds: Mapping[str, Path] | None = None,
    ) -> Process:
        """Start `argv` inside `root`, see `model.edges.Sandbox`."""
        try:
            return self._chosen.start(root, argv, environment=environment, binds=binds)
        except UnverifiableError as error:
            if error.reference != "no-namespaces":
                raise
            self._turn_to_engine(error)
        return self._chosen.start(root, argv, environment=environment, binds=binds)

    def _turn_to_engine(self, forbidden: EnvlockError) -> None:
        with self._guard:
            if self._engine is not None:
                try:
                    self._chosen = self._engine()
                except UsageError:
                    forbidden.hint += " Or start a Docker Engine, which is used instead."
                    raise forbidden from None
                self._engine = None
