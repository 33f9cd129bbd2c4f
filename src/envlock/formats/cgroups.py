"""The limits that Linux control groups set, of both versions (kernel: admin-guide/cgroup-v1, cgroup-v2)."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator

import msgspec

from envlock.model.unknown import Unknown

_UNLIMITED = 1 << 60
"""Version 1 writes the largest multiple of a page where there is no limit."""

Read = Callable[[str], str | None]
"""Returns the text of a file, None where it is not there; OSError where it cannot be read."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a process and those around it in its groups may have."""

    cpus: float | Unknown | None = None
    """CPUs' worth of time; None without a limit."""
    memory: int | Unknown | None = None
    """Bytes; None without a limit."""


class _Mount(msgspec.Struct, frozen=True):
    root: str
    place: str
    kind: str
    options: frozenset[str]


def limits_of(read: Read) -> Limits:
    """Return the lowest limits of the groups that this process is in: its own and all that hold it.

    A group's limit counts for everything below it, so that each folder up to the mounted root is read.
    """
    try:
        mounts = list(_mounts(read("/proc/self/mountinfo") or ""))
        groups = dict(_groups(read("/proc/self/cgroup") or ""))
        cpus = [_quota(read, folder) for folder in _folders(mounts, groups, "cpu")]
        memory = [_memory(read, folder) for folder in _folders(mounts, groups, "memory")]
    except (OSError, ValueError, ZeroDivisionError) as error:
        reason = getattr(error, "strerror", "") or str(error)
        unseen = Unknown(reason=f"the limits of its control group cannot be read ({reason})")
        return Limits(cpus=unseen, memory=unseen)
    if not any(mount.kind in ("cgroup", "cgroup2") for mount in mounts) and any(p != "/" for p in groups.values()):
        unseen = Unknown(
            reason="the limits of its control group cannot be seen",
            hint="Mount the cgroup file system at /sys/fs/cgroup.",
        )
        return Limits(cpus=unseen, memory=unseen)
    return Limits(
        cpus=min((limit for limit in cpus if limit is not None), default=None),
        memory=min((limit for limit in memory if limit is not None), default=None),
    )


def _mounts(text: str) -> Iterator[_Mount]:
    """Yield what proc(5) calls mountinfo: root, mount point, type and super options."""
    for line in text.splitlines():
        before, separator, after = line.partition(" - ")
        fields, tail = before.split(), after.split()
        if separator and len(fields) >= 5 and len(tail) >= 3:
            options = frozenset(tail[2].split(","))
            yield _Mount(_unescaped(fields[3]), _unescaped(fields[4]), tail[0], options)


def _groups(text: str) -> Iterator[tuple[str, str]]:
    """Yield controllers and the path of their group; the controller of version 2 is the empty one."""
    for line in text.splitlines():
        fields = line.split(":", 2)
        if len(fields) == 3:
            for controller in fields[1].split(","):
                yield controller, fields[2]


def _folders(mounts: list[_Mount], groups: dict[str, str], controller: str) -> Iterator[str]:
    """Yield the folders of a controller, from this process's group up to the mounted root."""
    for mount in mounts:
        old = mount.kind == "cgroup" and controller in mount.options
        if not old and mount.kind != "cgroup2":
            continue
        path = groups.get(controller if old else "")
        if path is None:
            continue
        below = _below(path, mount.root)
        while True:
            yield posixpath.join(mount.place, below) if below else mount.place
            if not below:
                break
            below = posixpath.dirname(below)


def _below(path: str, root: str) -> str:
    """Return a group's path relative to the mounted one; a group outside of it is seen as its root."""
    relative = posixpath.relpath(path, root)
    return "" if relative == "." or relative.startswith("..") else relative


def _quota(read: Read, folder: str) -> float | None:
    both = read(posixpath.join(folder, "cpu.max"))
    if both is not None:
        quota, _, period = both.strip().partition(" ")
        return None if quota == "max" else _natural(quota) / _natural(period or "100000")
    old = read(posixpath.join(folder, "cpu.cfs_quota_us"))
    length = read(posixpath.join(folder, "cpu.cfs_period_us"))
    if old is None or length is None or int(old) < 0:
        return None
    return int(old) / _natural(length)


def _memory(read: Read, folder: str) -> int | None:
    for name in ("memory.max", "memory.limit_in_bytes"):
        text = read(posixpath.join(folder, name))
        if text is not None and text.strip() != "max":
            limit = _natural(text)
            return limit if limit < _UNLIMITED else None
    return None


def _natural(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(f"{number} is no limit")
    return number


def _unescaped(field: str) -> str:
    """Undo the octal escapes of mountinfo for blanks and backslashes."""
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(escape, character)
    return field
