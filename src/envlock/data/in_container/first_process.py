"""Starts a command as the child of a container's first process, for adapters.containers.

    python -I -S -B -c SCRIPT COMMAND [ARGUMENT]...

The kernel keeps from a first process every signal that it does not handle: a Python script there would be deaf to
SIGTERM. So this process passes signals on, takes in whatever processes are orphaned, and ends as the command ended:
with its status, 128 + n after signal n, 127 where there is no such command, 126 where it cannot be run.

Runs under Python 3.7 and later.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

ALL = set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}
NOT_PASSED_ON = {signal.SIGCHLD, signal.SIGTTIN, signal.SIGTTOU}


def _become(argv: list[str]) -> None:
    """Run the command in this process, in the foreground of the terminal if there is one."""
    os.setpgid(0, 0)
    if os.isatty(0):
        os.tcsetpgrp(0, os.getpgrp())
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)  # Python ignores the first two
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - that is what was asked for
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def _status_of(child: int) -> int | None:
    """Take in all that ended; return the command's exit status if it is among them."""
    found = None
    while True:
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if ended == 0:
            return found
        if ended == child:
            found = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


# Blocked before the fork, so that no signal falls between.
signal.pthread_sigmask(signal.SIG_BLOCK, ALL)
CHILD = os.fork()
if CHILD == 0:
    _become(sys.argv[1:])
while True:
    received = signal.sigwait(ALL)
    if received in NOT_PASSED_ON:
        STATUS = _status_of(CHILD)
        if STATUS is not None:
            os._exit(STATUS)
    else:
        with contextlib.suppress(ProcessLookupError):
            os.kill(CHILD, received)
