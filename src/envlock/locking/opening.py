"""The wheels of a resolution opened for reading: at hand, by ranges, or fetched whole."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from envlock.errors import UsageError
from envlock.formats.wheel import WheelFile, open_wheel
from envlock.locking.accelerators import framework_of
from envlock.locking.remote import RemoteFile
from envlock.locking.select import Selected
from envlock.model.edges import Artifacts, Downloads, Progress

_FRAMEWORK_TAIL = 1 << 22
"""Central directory and RECORD of the largest wheel lie within this: one request opens it, one more reads a file."""


class Opening:
    """Safe to use from several threads."""

    def __init__(self, downloads: Downloads, artifacts: Artifacts, progress: Progress) -> None:
        self._downloads = downloads
        self._artifacts = artifacts
        self._progress = progress
        self._remote: dict[str, WheelFile | None] = {}
        self._guards: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    @property
    def progress(self) -> Progress:
        """Where readers tell how far they are."""
        return self._progress

    def cached(self, row: Selected) -> Path | None:
        """Return a wheel of the cache, its sha256 verified."""
        return self._artifacts.get(row.sha256, row.name)

    def local(self, row: Selected) -> Path | None:
        """Return a wheel that is at hand, its sha256 verified: a folder of wheels counts too."""
        found = self.cached(row)
        if found is None and row.path is not None:
            found = self._artifacts.put(Path(row.path), row.sha256, row.name)
        return found

    def remote(self, row: Selected) -> WheelFile | None:
        """Return a wheel that is read by ranges, or None where the index does not serve them.

        A framework's is kept open: its digests and what it was built for are read side by side.
        """
        if row.url is None or row.size is None:
            return None
        if framework_of(row.package) is None:
            return self._ranges(row)
        with self._guard:
            guard = self._guards.setdefault(row.sha256, threading.Lock())
        with guard:
            if row.sha256 not in self._remote:
                self._remote[row.sha256] = self._ranges(row, _FRAMEWORK_TAIL)
            return self._remote[row.sha256]

    def _ranges(self, row: Selected, tail: int | None = None) -> WheelFile | None:
        assert row.url is not None
        assert row.size is not None
        try:
            return WheelFile(RemoteFile(self._downloads, row.url, row.size, tail=tail), row.name)
        except LookupError:
            return None

    @contextmanager
    def opened(self, row: Selected) -> Iterator[WheelFile]:
        """Open a wheel at hand, else by ranges, else fetch it whole."""
        local = self.local(row)
        remote = self.remote(row) if local is None else None
        if remote is not None:
            yield remote
            return
        with open_wheel(local or self.whole(row), row.name) as wheel:
            yield wheel

    def whole(self, row: Selected) -> Path:
        """Return a file, fetched where it is not at hand."""
        local = self.local(row)
        if local is not None:
            return local
        if row.url is None:
            raise UsageError("no-file", f"{row.name} has neither a URL nor a path.", where=row.package)
        return downloaded(row.name, row.sha256, row.size, row.url, self._downloads, self._artifacts, self._progress)


def downloaded(
    name: str,
    sha256: str,
    size: int | None,
    url: str,
    downloads: Downloads,
    artifacts: Artifacts,
    progress: Progress,
) -> Path:
    """Return a file of the cache, streamed there from `url` where it is missing."""

    def bring(place: Path) -> None:
        with progress.task(name, size, unit="bytes") as task:
            downloads.download(url, place, sha256=sha256, size=size, progress=task)

    return once(artifacts, sha256, name, bring)


def once(artifacts: Artifacts, sha256: str, name: str, bring: Callable[[Path], None]) -> Path:
    """Return a file of the cache, brought there by one thread of one process however many ask for it."""
    with artifacts.lock(f"file-{sha256}"):
        cached = artifacts.get(sha256, name)
        if cached is None:
            cached = artifacts.place(sha256, name)
            bring(cached)
        return cached
