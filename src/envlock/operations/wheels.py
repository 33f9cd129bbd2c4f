"""The wheels of a lock at hand: fetched, or built again from their sdists with the locked bytes."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from envlock.errors import IntegrityError, UsageError
from envlock.formats.pylock import wheels_of
from envlock.formats.wheel import WheelFile, open_wheel
from envlock.locking.remote import RemoteFile
from envlock.model.artifact import Wheel
from envlock.model.lock import Lock, Package
from envlock.model.platform import Platform
from envlock.operations.edges import Edges
from envlock.operations.fetch import at_hand, check_contents, download, locate
from envlock.operations.rebuild import as_requirement, build_again

_CONNECTIONS = 4
_TAIL = 1 << 16
"""Bytes that a first range request takes of a wheel's end; of a large wheel more, where its directory is longer."""
_TAIL_SHARE = 128


class Wheels:
    """Brings each wheel of a lock and platform to this machine when it is asked for, once.

    A wheel comes from the cache, from beside the lock, from the index, or is built again. Safe to use from several
    threads.
    """

    def __init__(self, lock: Lock, platform: Platform, *, folder: Path, edges: Edges) -> None:
        self._lock = lock
        self._platform = platform
        self._folder = folder
        self._edges = edges
        self._packages = {wheel.sha256: (package, wheel) for package, wheel in wheels_of(lock, platform)}
        self._guards = {sha256: threading.Lock() for sha256 in self._packages}
        self._found: dict[str, Path] = {}
        self._urls: dict[str, str | None] | None = None
        self._locating = threading.Lock()

    def holds(self, wheel: Wheel) -> bool:
        """Tell whether this platform installs the wheel."""
        return wheel.sha256 in self._packages

    def all(self) -> dict[str, Path]:
        """Return the path of every wheel by its sha256, the largest fetched first."""
        wheels = sorted((wheel for _, wheel in self._packages.values()), key=lambda wheel: -wheel.size)
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            return dict(zip([wheel.sha256 for wheel in wheels], pool.map(self.path, wheels), strict=True))

    def path(self, wheel: Wheel) -> Path:
        """Return the file of one wheel, its sha256 and `contents` verified.

        Raises IntegrityError where bytes contradict the lock, UsageError (`gone`) where no index has the file.
        """
        with self._guards[wheel.sha256]:
            if wheel.sha256 not in self._found:
                path = at_hand(wheel, self._folder, self._edges.artifacts) or self._obtain(wheel)
                check_contents(wheel, path, self._edges.progress)
                self._found[wheel.sha256] = path
            return self._found[wheel.sha256]

    @contextmanager
    def listing(self, wheel: Wheel) -> Iterator[WheelFile]:
        """Open a wheel to be asked what it installs, which its RECORD says: whoever uses that has to check its digest.

        A wheel at hand is not hashed for it, and of one that is not only directory and RECORD are fetched, where the
        index serves ranges. Raises what `path` raises.
        """
        with ExitStack() as stack:
            file = self._listed_here(wheel, stack) or self._listed_there(wheel)
            yield file or stack.enter_context(open_wheel(self.path(wheel), wheel.name))

    def _listed_here(self, wheel: Wheel, stack: ExitStack) -> WheelFile | None:
        cached = self._edges.artifacts.unverified(wheel.sha256, wheel.name)
        beside = self._folder / wheel.path if wheel.path else None
        for path in (cached, beside):
            if path is None or not path.is_file():
                continue
            try:
                file = stack.enter_context(open_wheel(path, wheel.name))
            except IntegrityError:  # damaged: `path` finds that out, and what becomes of it
                continue
            if file.record_sha256 == wheel.record:
                return file
        return None

    def _listed_there(self, wheel: Wheel) -> WheelFile | None:
        package, _ = self._packages[wheel.sha256]
        if package.built(wheel):
            return None
        url = self._usable_url(wheel) or self._located()[wheel.sha256]
        if url is None or url.startswith("file:"):  # a folder's file is read whole
            return None
        tail = max(_TAIL, wheel.size // _TAIL_SHARE)
        try:
            return WheelFile(RemoteFile(self._edges.downloads, url, wheel.size, tail=tail), wheel.name)
        except LookupError:
            return None
        except UsageError as error:
            if error.reference != "not-found":
                raise
            return None

    def _obtain(self, wheel: Wheel) -> Path:
        package, _ = self._packages[wheel.sha256]
        if package.built(wheel):
            return self._edges.artifacts.put(self._build_again(package, wheel), wheel.sha256, wheel.name)
        url = self._usable_url(wheel)
        if url is not None:
            try:
                return self._download(package, wheel, url)
            except UsageError as error:
                if error.reference != "not-found":
                    raise
            # The hash is the identity and the URL only a hint: the index may have the file elsewhere by now.
            return self._download(package, wheel, self._locate([(package, wheel)])[wheel.sha256])
        return self._download(package, wheel, self._located()[wheel.sha256])

    def _download(self, package: Package, wheel: Wheel, url: str | None) -> Path:
        return download(
            wheel.name,
            wheel.sha256,
            wheel.size,
            url,
            f"{package.name} {package.version}",
            self._edges.downloads,
            self._edges.artifacts,
            self._edges.progress,
        )

    def _usable_url(self, wheel: Wheel) -> str | None:
        """Return the locked URL where this machine's settings let files come from there; its hash is the identity."""
        return wheel.url if wheel.url is not None and self._edges.indexes.may_use(wheel.url) else None

    def _located(self) -> dict[str, str | None]:
        """Ask the indexes once for the URLs of all wheels that the lock gives no usable one for."""
        with self._locating:
            if self._urls is None:
                self._urls = self._locate(
                    [
                        (package, wheel)
                        for package, wheel in self._packages.values()
                        if self._usable_url(wheel) is None and not package.built(wheel)
                    ]
                )
            return self._urls

    def _locate(self, rows: Sequence[tuple[Package, Wheel]]) -> dict[str, str | None]:
        pins = [(package.name, package.version, wheel.sha256) for package, wheel in rows]
        with self._edges.progress.task("Asking the index for the locked files"):
            return locate(pins, self._lock, self._platform, self._edges.resolver, cutoff=None)

    def _build_again(self, package: Package, wheel: Wheel) -> Path:
        return build_again(as_requirement(package, wheel), lock=self._lock, platform=self._platform, edges=self._edges)
