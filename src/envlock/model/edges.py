"""Protocols of the edges that operations are handed: progress, downloads, namespaces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Literal, Protocol

Unit = Literal["bytes", "items"]


class Task(Protocol):
    """One line of progress."""

    def advance(self, amount: int = 1) -> None:
        """Move on by `amount` bytes or items."""


class Progress(Protocol):
    """Where long operations tell how far they are. Safe to call from several threads."""

    def task(self, description: str, total: int | None = None, *, unit: Unit = "items") -> AbstractContextManager[Task]:
        """Open a line of progress, closed when the context ends."""


class _NoTask:
    def advance(self, amount: int = 1) -> None:
        pass


class NoProgress:
    """Progress that nobody watches."""

    def task(
        self, description: str, total: int | None = None, *, unit: Unit = "items"  # noqa: ARG002
    ) -> AbstractContextManager[Task]:
        """Return a task that does nothing."""
        return nullcontext(_NoTask())


class Downloads(Protocol):
    """The one HTTP client: whole files are streamed to disk, parts come by range requests (RFC 9110, 14)."""

    def get(self, url: str, *, limit: int) -> bytes:
        """Return a small body whole; UsageError (`fetch-failed`, `not-found`) where it cannot be had."""

    def get_range(self, url: str, start: int, end: int) -> bytes:
        """Return the bytes [start, end) of a file.

        A negative start counts from the end (`end` is then ignored). Raises LookupError where the server cannot
        serve ranges.
        """

    def download(self, url: str, destination: Path, *, sha256: str, size: int | None, progress: Task) -> None:
        """Stream a file to `destination` (written beside, then renamed); IntegrityError on another sha256 or size."""


class Process(Protocol):
    """A running child, the part of subprocess.Popen that envlock uses."""

    stdin: IO[bytes] | None
    stdout: IO[bytes] | None
    stderr: IO[bytes] | None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status."""

    def kill(self) -> None:
        """End it."""


class Sandbox(Protocol):
    """Runs a command of an unpacked root in namespaces of its own: no network, no host files, no privilege."""

    def start(
        self, root: Path, argv: Sequence[str], *, environment: Mapping[str, str], binds: Mapping[str, Path] | None = None
    ) -> Process:
        """Start `argv` chrooted into `root`, with pipes on stdin, stdout and stderr.

        The environment is exactly `environment`. `binds` maps absolute paths inside the root to host folders that are
        mounted there, writable. Raises UnverifiableError (`no-namespaces`) where the kernel forbids user namespaces.
        """


Chunks = Iterator[bytes]
