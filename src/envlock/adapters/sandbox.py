"""The sandbox of model.edges, made of Linux namespaces that an ordinary user may open."""

from __future__ import annotations

import errno
import functools
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from envlock.errors import EnvlockError, UnverifiableError, UsageError
from envlock.model import records
from envlock.model.edges import Process

_SCRIPT = Path(__file__).with_name("confine.py")
_LOADER = ("LD_LIBRARY_PATH",)
"""What the interpreter that runs envlock may need to start."""

_SWITCHES = {
    "kernel/apparmor_restrict_unprivileged_userns": "1",
    "kernel/unprivileged_userns_clone": "0",
    "user/max_user_namespaces": "0",
}
"""What distributions forbid user namespaces with, by name below /proc/sys, and the value that does."""


class Failure(msgspec.Struct, frozen=True):
    """What `confine` reports when the command could not be started."""

    step: str
    errno: int
    path: str


class NamespaceSandbox:
    """Runs commands of an unpacked root in new user, mount, PID, network, IPC and UTS namespaces.

    The command sees the root read-only, with /dev, /proc and /tmp of its own and the writable binds; it is user 0 there
    without any capability, has a fixed host name, umask, stack limit and signal state, no address space randomisation,
    and ends with the process that started it. Its exit status is 128 + n after signal n.
    """

    def start(
        self,
        root: Path,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        binds: Mapping[str, Path] | None = None,
    ) -> Process:
        """Start `argv` inside `root`, see `model.edges.Sandbox`.

        A bind's place is a folder of the root, or one whose first part the root does not have. Raises
        UnverifiableError (`no-namespaces`, `foreign-architecture`) and UsageError (`not-in-root`, `no-folder`).
        """
        if sys.platform != "linux":
            raise _no_namespaces(f"{sys.platform} has none", "Use Linux, or a Linux virtual machine.")
        for folder in (root, *(binds or {}).values()):
            if not folder.is_dir():
                raise UsageError("no-folder", "A folder to run in is not there.", where=str(folder))
        request = {
            "root": str(root.resolve()),
            "argv": list(argv),
            "environment": dict(environment),
            "binds": {inside: str(folder.resolve()) for inside, folder in (binds or {}).items()},
        }
        told, telling = os.pipe()
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", str(_SCRIPT), json.dumps(request), str(telling), str(_lifeline())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd="/",
                # What the first process in there was started with can be seen by the command, and may hold secrets.
                env={name: os.environ[name] for name in _LOADER if name in os.environ},
                start_new_session=True,
                pass_fds=(telling, _lifeline()),
            )
        except BaseException:
            os.close(told)
            raise
        finally:
            os.close(telling)
        try:
            with open(told, "rb") as status:  # noqa: PTH123 - a descriptor
                report = status.read()
            if report:
                raise _refusal(records.from_json(report, Failure), root)
        except BaseException:
            process.kill()
            process.communicate()
            raise
        return process


@functools.cache
def _lifeline() -> int:
    """Return the reading end of a pipe whose other end closes when this process is gone.

    PR_SET_PDEATHSIG would not do: it follows the thread that started a child, not the process.
    """
    reading, _ = os.pipe()
    return reading


def _refusal(failure: Failure, root: Path) -> EnvlockError:
    reason = os.strerror(failure.errno)
    if failure.step == "exec" and failure.errno == errno.ENOEXEC:
        return UnverifiableError(
            "foreign-architecture",
            f"{failure.path} cannot run on this machine.",
            where=str(root),
            found=f"{reason} on {os.uname().machine}",
            hint="Use a machine of that architecture, or register an emulator (qemu-user-static, binfmt-support).",
        )
    if failure.step == "exec":
        return UsageError("not-in-root", f"{failure.path} cannot be run in its root.", where=str(root), found=reason)
    if failure.step == "bind":
        return UsageError(
            "not-in-root",
            f"Nothing can be mounted at {failure.path}.",
            where=str(root),
            expected="a folder of the root, or one that can be made at its top",
            found=reason,
        )
    at = f" {failure.path}" if failure.path else ""
    return _no_namespaces(f"{failure.step}{at}: {reason}", _next_step())


def _no_namespaces(found: str, hint: str) -> EnvlockError:
    return UnverifiableError(
        "no-namespaces",
        "This machine does not let an isolated root be entered.",
        expected="user, mount, PID, network, IPC and UTS namespaces",
        found=found,
        hint=hint,
    )


def _next_step() -> str:
    for name, forbids in _SWITCHES.items():
        switch = Path("/proc/sys", name)
        try:
            if switch.read_text().strip() == forbids:
                return f"Ask the administrator to change {name.replace('/', '.')}, which is {forbids}."
        except OSError:
            continue
    return (
        "In a container, start it with --security-opt seccomp=unconfined --security-opt apparmor=unconfined, "
        "or --privileged; else use another machine."
    )
