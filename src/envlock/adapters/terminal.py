"""The terminal that this process was started from, handed on raw to a container's."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Self


class Terminal:
    """stdin and stdout, where both are a terminal that can be made raw."""

    @classmethod
    def here(cls) -> Self | None:
        """Return this process's terminal, None where there is none: output that is piped stays as it is written."""
        try:
            import termios  # noqa: F401 - Windows has none
        except ImportError:
            return None
        return cls() if os.isatty(0) and os.isatty(1) else None

    @contextlib.contextmanager
    def raw(self, resize: Callable[[int, int], None]) -> Iterator[None]:
        """Hand every key on, Ctrl-C included, and tell the size in (rows, columns) now and whenever it changes."""
        import termios
        import tty

        changed = threading.Event()
        over = threading.Event()

        def tell() -> None:
            while changed.wait() and not over.is_set():
                changed.clear()
                size = os.get_terminal_size(1)
                resize(size.lines, size.columns)

        before = termios.tcgetattr(0)
        handler = signal.signal(signal.SIGWINCH, lambda *_: changed.set())
        threading.Thread(target=tell, daemon=True).start()
        changed.set()
        try:
            tty.setraw(0)
            yield
        finally:
            termios.tcsetattr(0, termios.TCSADRAIN, before)
            signal.signal(signal.SIGWINCH, handler)
            over.set()
            changed.set()
