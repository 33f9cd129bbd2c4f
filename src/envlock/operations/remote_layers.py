"""The layer cache in registries: layers that `envlock.sum` vouches for, brought by digest instead of built."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from envlock.errors import EnvlockError, IntegrityError, UsageError
from envlock.formats.blob import checked, write_blob
from envlock.image.layer import Layer
from envlock.model.edges import Registry, Task
from envlock.model.reference import Reference


def bring_layer(registry: Registry, repository: Reference, layer: Layer, path: Path, task: Task) -> None:
    """Stream a layer's blob beside `path` and rename it there once its digest and size were right.

    Raises IntegrityError (`digest-mismatch`) and what the registry raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    chunks = registry.blob(repository, layer.digest)  # which checks the digest
    write_blob(path, checked(chunks, layer.size, where=str(repository.at(layer.digest))), progress=task)


class RemoteLayers:
    """Brings layers from the first repository that has them; implements `operations.build.Brought`.

    A repository that cannot be used is no error: it is told once, and layers are built instead. Safe to use from
    several threads.
    """

    def __init__(
        self, repositories: Sequence[Reference], registry: Callable[[], Registry], warn: Callable[[str], None]
    ) -> None:
        self._repositories = tuple(repositories)
        self._open = registry
        self._warn = warn
        self._guard = threading.Lock()
        self._opened: Registry | None = None
        self._given_up: set[str] = set()
        """Registries, or single repositories of them."""

    def __call__(self, layer: Layer, path: Path, task: Task) -> bool:
        """Bring the blob of a layer to `path`, by a rename once its digest was right."""
        return any(self._bring(repository, layer, path, task) for repository in self._repositories)

    def _bring(self, repository: Reference, layer: Layer, path: Path, task: Task) -> bool:
        try:
            if not self._has(repository, layer):
                return False
            bring_layer(self._registry(), repository, layer, path, task)
        except (UsageError, IntegrityError) as error:
            self._give_up(repository, error)
            return False
        return True

    def _has(self, repository: Reference, layer: Layer) -> bool:
        # One thread at a time: where a registry is out of reach, the others need not wait for it too.
        with self._guard:
            if not self._given_up.isdisjoint((repository.registry, repository.name)):
                return False
            try:
                return self._registry().has_blob(repository, layer.digest)
            except UsageError as error:
                self._given_up.add(self._scope(repository, error))
                self._tell(repository, error)
                return False

    def _registry(self) -> Registry:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def _give_up(self, repository: Reference, error: EnvlockError) -> None:
        with self._guard:
            if self._given_up.isdisjoint((repository.registry, repository.name)):
                self._given_up.add(self._scope(repository, error))
                self._tell(repository, error)

    def _scope(self, repository: Reference, error: EnvlockError) -> str:
        return repository.registry if error.reference in ("registry-failed", "offline") else repository.name

    def _tell(self, repository: Reference, error: EnvlockError) -> None:
        if error.reference != "offline":
            found = f" ({error.found})" if error.found else ""
            self._warn(f"No layers come from {repository.name}; they are built here. {error.what}{found}")
