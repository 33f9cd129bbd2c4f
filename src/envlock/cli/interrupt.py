"""Ctrl-C, heard by every thread."""

from __future__ import annotations

import signal
import threading
from typing import NoReturn

INTERRUPTED = threading.Event()
"""Set by Ctrl-C: the next step that any thread tells of raises KeyboardInterrupt there."""


def _interrupt(*_: object) -> NoReturn:
    INTERRUPTED.set()
    raise KeyboardInterrupt


def listen_for_the_end() -> None:
    """Take what asks this process to end for Ctrl-C as well: what it has started would run on by itself."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores one
            signal.signal(number, _interrupt)


def listen() -> None:
    """End the main thread's work at once, and that of the others where they next tell how far they are."""
    signal.signal(signal.SIGINT, _interrupt)
