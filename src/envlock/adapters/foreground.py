"""Puts a command in the place of this process: its streams, its signals, its exit status."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from envlock.errors import UsageError


def become(program: Path, argv: Sequence[str], environment: Mapping[str, str]) -> int:
    """Execute a program as this process, and do not return; where Windows cannot, wait for it and return its status.

    Raises UsageError (`command-failed`) where it cannot be started.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        if os.name == "nt":
            # Windows gives Ctrl-C to both; the command decides what it means.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            return subprocess.run([str(program), *argv[1:]], env=dict(environment), check=False).returncode
        # Python ignores these, and what is ignored stays so in the command.
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        os.execve(program, list(argv), dict(environment))  # noqa: S606 - that is what was asked for
    except OSError as error:
        raise UsageError(
            "command-failed",
            f"{argv[0]!r} cannot be started.",
            where=str(program),
            found=error.strerror or str(error),
            hint="Is it executable, and is the interpreter on its first line there?",
        ) from error
