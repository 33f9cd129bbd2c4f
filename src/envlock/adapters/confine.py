"""Enters a root of its own namespaces and becomes a command there: the script that `sandbox` starts.

The steps are those of unshare(1), mount(8), pivot_root(8), setarch(8) and setpriv(1), made by the same system calls.
The tools themselves cannot be chained: once the host's files are gone from sight, what drops the last privilege would
have to be a program of the root.

    python -I -S confine.py REQUEST STATUS LIFELINE

REQUEST is JSON (`root`, `argv`, `environment`, `binds`). What fails is reported as JSON (`step`, `errno`, `path`) on
the file descriptor STATUS, which is closed without a word once the command runs. When LIFELINE reaches its end, because
the process that held the other end is gone, so is everything that was started here.
"""

# os.path and TYPE_CHECKING below: importing pathlib and typing would add a third to what a start costs.
# ruff: noqa: PTH101, PTH102, PTH103, PTH112, PTH114, PTH115, PTH123, PTH208, PTH211

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import NoReturn

HOST_NAME = b"envlock"
OWN = frozenset({"dev", "proc", "sys", "tmp"})
"""Folders at the top of the root that are replaced by private ones."""
DEVICES = ("null", "zero", "full", "random", "urandom")
DESCRIPTORS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
STACK = 8 << 20
"""The stack's limit decides where the kernel maps libraries, so that it is part of what ASLR off promises."""

# linux/sched.h
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
# linux/mount.h
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_NOATIME, MS_NODIRATIME = 1024, 2048
MS_BIND, MS_REC, MS_PRIVATE, MS_RELATIME = 1 << 12, 1 << 14, 1 << 18, 1 << 21
ST_RELATIME = 4096  # statvfs(3); its other flags equal those of mount(2)
MNT_DETACH = 2
# linux/prctl.h, linux/personality.h
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 24, 38
ADDR_NO_RANDOMIZE = 0x0040000

_libc = ctypes.CDLL(None, use_errno=True)


class RefusedError(Exception):
    """A step that the kernel refused."""

    def __init__(self, step: str, error: OSError) -> None:
        super().__init__(step)
        self.report = {"step": step, "errno": error.errno, "path": error.filename or ""}


def call(name: str, *arguments: int | bytes | None) -> None:
    """Make a system call through the C library; raise RefusedError where it is refused."""
    passed = [ctypes.c_ulong(value) if isinstance(value, int) else ctypes.c_char_p(value) for value in arguments]
    if getattr(_libc, name)(*passed) != 0:
        number = ctypes.get_errno()
        path = next((os.fsdecode(value) for value in reversed(arguments) if isinstance(value, bytes)), "")
        raise RefusedError(name, OSError(number, os.strerror(number), path))


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """mount(2), refusals told under the name of the target."""
    try:
        call(
            "mount",
            os.fsencode(source),
            os.fsencode(target),
            kind.encode() if kind else None,
            flags,
            options.encode() or None,
        )
    except RefusedError as refused:
        refused.report["path"] = target
        raise


def bind(source: str, target: str, *, writable: bool) -> None:
    """Show `source` at `target`. Flags that the source's mount has cannot be taken off in a user namespace."""
    mount(source, target, None, MS_BIND | MS_REC)
    if not writable:
        held = os.statvfs(target).f_flag
        flags = held & (MS_NODEV | MS_NOEXEC) | (
            MS_RELATIME if held & ST_RELATIME else held & (MS_NOATIME | MS_NODIRATIME)
        )
        mount("none", target, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | flags)


def unshare() -> None:
    """Leave the host's namespaces; the caller becomes user 0 of a namespace that holds no other user."""
    user, group = os.geteuid(), os.getegid()
    kinds = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS
    call("unshare", kinds)
    for name, line in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        try:
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(line)
        except OSError as error:
            raise RefusedError(name, error) from error
    # A namespace inside would give its first process capabilities again, over what is mounted there at least.
    with contextlib.suppress(OSError), open("/proc/sys/user/max_user_namespaces", "w", encoding="ascii") as file:
        file.write("0")
    call("sethostname", HOST_NAME, len(HOST_NAME))


def change_root(root: str, binds: Mapping[str, str]) -> None:
    """Make `root`, read-only, all that can be seen, with a private /dev, /proc and /tmp and the writable `binds`.

    The top of the tree is a tmpfs, so that folders can be added to it while the root itself stays as it is.
    """
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")
    for name in ("host", "root"):
        os.mkdir(f"{root}/{name}")
    call("pivot_root", os.fsencode(root), os.fsencode(f"{root}/host"))
    os.chdir("/")
    mount("tmpfs", "/root", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")
    for name in sorted(os.listdir(f"/host{root}")):
        source, target = f"/host{root}/{name}", f"/root/{name}"
        if os.path.islink(source):
            os.symlink(os.readlink(source), target)
        elif os.path.isdir(source) and name not in OWN:
            os.mkdir(target)
            bind(source, target, writable=False)
    for name in sorted(OWN):
        os.mkdir(f"/root/{name}")
    _populate_dev()
    with contextlib.suppress(RefusedError):  # in a container that masks parts of /proc none can be mounted
        # Where the host's root runs envlock, user 0 in here owns the kernel's settings too, capabilities or not.
        mount("proc", "/root/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY)
    mount("tmpfs", "/root/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    for target, source in sorted(binds.items()):
        try:
            os.makedirs(f"/root{target}", exist_ok=True)
        except OSError as error:
            raise RefusedError("bind", OSError(error.errno, "", target)) from error
        bind(f"/host{source}", f"/root{target}", writable=True)
    mount("none", "/root", None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)
    os.chdir("/root")
    call("pivot_root", b".", b".")  # pivot_root(2), NOTES: the old root ends up on top of the new one ...
    call("umount2", b".", MNT_DETACH)  # ... and is taken off
    os.chdir("/")


def _populate_dev() -> None:
    mount("tmpfs", "/root/dev", "tmpfs", MS_NOSUID, "mode=0755")
    for name in DEVICES:
        os.close(os.open(f"/root/dev/{name}", os.O_CREAT | os.O_WRONLY, 0o666))
        bind(f"/host/dev/{name}", f"/root/dev/{name}", writable=True)
    for name, target in DESCRIPTORS.items():
        os.symlink(target, f"/root/dev/{name}")
    os.mkdir("/root/dev/shm")
    os.chmod("/root/dev/shm", 0o1777)  # noqa: S103 - as everywhere


def settle() -> None:
    """Fix what a process inherits and its results might depend on, and give up every privilege."""
    os.setsid()
    _, most = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (STACK if most == resource.RLIM_INFINITY else min(STACK, most), most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if _libc.personality(ctypes.c_ulong(ADDR_NO_RANDOMIZE)) == -1:
        raise RefusedError("personality", OSError(ctypes.get_errno(), ""))
    capability = 0
    while _libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0) == 0:
        capability += 1
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def execute(argv: list[str], environment: Mapping[str, str]) -> NoReturn:
    """Become the command."""
    try:
        os.execvpe(argv[0], argv, environment)  # noqa: S606 - what this program is for
    except OSError as error:
        raise RefusedError("exec", OSError(error.errno, "", argv[0])) from error


def in_child(work: Callable[[], None], status: int) -> int:
    """Fork a child that does `work`, which never returns unless it failed; return its process id."""
    child = os.fork()
    if child:
        os.close(status)
        for descriptor in (0, 1, 2):  # the command's alone, so that their ends are its end
            os.close(descriptor)
        return child
    try:
        work()
    except RefusedError as refused:
        os.write(status, json.dumps(refused.report).encode())
    except OSError as error:
        os.write(status, json.dumps({"step": "setup", "errno": error.errno, "path": error.filename or ""}).encode())
    finally:
        os._exit(125)


def exit_as(status: int) -> NoReturn:
    """End with a child's status: its code, or 128 + the signal that ended it."""
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def main() -> NoReturn:
    """Start the first process of the namespaces and wait for it, or for the end of whoever asked."""
    request, status, lifeline = json.loads(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    os.set_inheritable(status, False)
    os.set_inheritable(lifeline, False)
    os.umask(0o022)
    ready, go = os.pipe()

    def command() -> None:
        settle()
        execute(request["argv"], request["environment"])

    def first() -> None:
        call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.close(go)
        if not os.read(ready, 1):  # the parent was gone before its end could be heard of
            os._exit(125)
        change_root(request["root"], request["binds"])
        started = in_child(command, status)
        while True:  # the first process of a PID namespace reaps orphans; when it ends, so do all others
            ended, how = os.wait()
            if ended == started:
                exit_as(how)

    try:
        unshare()
    except RefusedError as refused:
        os.write(status, json.dumps(refused.report).encode())
        os._exit(125)
    child = in_child(first, status)
    os.write(go, b"!")
    watched = os.pidfd_open(child)
    poll = select.poll()
    poll.register(watched, select.POLLIN)
    poll.register(lifeline, select.POLLIN)
    if any(descriptor == watched for descriptor, _ in poll.poll()):
        exit_as(os.waitpid(child, 0)[1])
    os._exit(125)


if __name__ == "__main__":
    main()
