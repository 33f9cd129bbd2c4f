"""The entry point: from the first instant Ctrl-C ends the process without a traceback."""

from __future__ import annotations

import signal
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line; until it is imported nothing is at risk, and an interrupt may simply kill."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from envlock.cli.main import main

    main()


if __name__ == "__main__":
    main()
