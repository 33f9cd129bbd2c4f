"""Progress on stderr: bars on a terminal, a line for each long step elsewhere, nothing when quiet.

Every long loop tells how far it is, in whichever thread it runs; that is also where an interrupt ends it.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from envlock.cli.interrupt import INTERRUPTED
from envlock.model.edges import NoProgress, Progress, Task, Unit

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

_WORTH_SAYING = 1.0
"""Seconds: where bars cannot be drawn, steps that took longer leave a line."""


class _Watched:
    """A task that ends the work it counts once the user has interrupted it."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def advance(self, amount: int = 1) -> None:
        if INTERRUPTED.is_set():
            raise KeyboardInterrupt
        self._task.advance(amount)


class Interruptible:
    """Any progress, with Ctrl-C heard in every thread."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    @contextmanager
    def task(self, description: str, total: int | None = None, *, unit: Unit = "items") -> Iterator[Task]:
        """Open a task of the progress inside."""
        with self._progress.task(description, total, unit=unit) as task:
            yield _Watched(task)


class TerminalProgress:
    """rich's bars, shown while at least one task runs and removed afterwards."""

    def __init__(self) -> None:
        self._bars: Bars | None = None
        self._running = 0
        self._guard = threading.Lock()

    @contextmanager
    def task(self, description: str, total: int | None = None, *, unit: Unit = "items") -> Iterator[Task]:
        """Show a bar (or a pulse, where the total is unknown) until the context ends."""
        with self._guard:
            bars = self._start()
            row = bars.add_task(description, total=total, amount="", unit=unit)
            self._running += 1
        try:
            yield _Bar(bars, row, unit, total)
        finally:
            with self._guard:
                bars.remove_task(row)
                self._running -= 1
                if not self._running:
                    bars.stop()
                    self._bars = None

    def _start(self) -> Bars:
        if self._bars is None:
            from rich.console import Console
            from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Bars

            self._bars = Bars(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=30),
                TextColumn("{task.fields[amount]}", markup=False),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bars.start()
        return self._bars


class _Bar:
    def __init__(self, bars: Bars, row: int, unit: Unit, total: int | None) -> None:
        self._bars, self._row, self._unit, self._total = bars, row, unit, total
        self._done = 0

    def advance(self, amount: int = 1) -> None:
        self._done += amount
        scale, suffix = (1e6, " MB") if self._unit == "bytes" else (1, "")
        of = f" / {self._total / scale:.0f}" if self._total else ""
        self._bars.update(self._row, advance=amount, amount=f"{self._done / scale:.0f}{of}{suffix}")  # type: ignore[arg-type]


class LogProgress:
    """For CI logs: one line on stderr when a long step has ended."""

    @contextmanager
    def task(self, description: str, total: int | None = None, *, unit: Unit = "items") -> Iterator[Task]:
        """Time the context."""
        started = time.monotonic()
        with NoProgress().task(description, total, unit=unit) as task:
            yield task
        seconds = time.monotonic() - started
        if seconds >= _WORTH_SAYING:
            size = f", {total / 1e6:.0f} MB" if unit == "bytes" and total else ""
            click.echo(f"  {description}{size}: {seconds:.1f} s", err=True)


def progress_for(*, quiet: bool) -> Progress:
    """Choose by where stderr goes."""
    if quiet:
        return Interruptible(NoProgress())
    return Interruptible(TerminalProgress() if sys.stderr.isatty() else LogProgress())
