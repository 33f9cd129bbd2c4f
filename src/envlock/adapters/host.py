"""The files and calls by which a machine tells what it is, so that recorded machines can stand in for this one."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Protocol


class Host(Protocol):
    """A machine that can be asked."""

    system: str
    """sys.platform."""
    architecture: str
    """platform.machine()."""
    libc: str
    """Such as `glibc 2.36`; empty where there is none of that kind."""

    def read(self, path: str) -> str | None:
        """Return the text of a file, None where it is not there; OSError where it cannot be read."""

    def names(self, folder: str) -> tuple[str, ...]:
        """Return the names in a folder, sorted; none where it cannot be listed."""

    def threads(self) -> int:
        """Return how many hardware threads are online, 0 where the system does not say."""

    def affinity(self) -> int | None:
        """Return how many of them this process may run on, None where the system does not say."""

    def memory(self) -> int:
        """Return the bytes of physical memory as the system's own call tells them, 0 where it does not."""

    def sysctl(self) -> str:
        """Return what macOS says of `machdep.cpu` and `hw`."""

    def cpuid(self) -> tuple[str, str, frozenset[str]]:
        """Return vendor, brand and features by asking the CPU itself, where no file tells them (Windows)."""


class ThisHost:
    """The machine that envlock runs on."""

    def __init__(self) -> None:
        self.system = sys.platform
        self.architecture = platform.machine()
        self.libc = _libc()

    def read(self, path: str) -> str | None:
        """Return the text of a file, None where it is not there; OSError where it cannot be read."""
        try:
            return Path(path).read_text("utf-8", errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            return None

    def names(self, folder: str) -> tuple[str, ...]:
        """Return the names in a folder, sorted; none where it cannot be listed."""
        try:
            return tuple(sorted(entry.name for entry in os.scandir(folder)))
        except OSError:
            return ()

    def threads(self) -> int:
        """Return how many hardware threads are online, 0 where the system does not say."""
        return os.cpu_count() or 0

    def affinity(self) -> int | None:
        """Return how many of them this process may run on, None where the system does not say."""
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None

    def memory(self) -> int:
        """Return the bytes of physical memory as the system's own call tells them, 0 where it does not."""
        if sys.platform == "win32":
            return _windows_memory()
        try:
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, OSError, ValueError):
            return 0

    def sysctl(self) -> str:
        """Return what macOS says of `machdep.cpu` and `hw`."""
        import subprocess

        command = ["/usr/sbin/sysctl", "machdep.cpu", "hw"]
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout

    def cpuid(self) -> tuple[str, str, frozenset[str]]:
        """Return vendor, brand and features by asking the CPU itself, where no file tells them (Windows)."""
        from archspec.cpu import brand_string
        from archspec.cpu.detect import detected_info

        found = detected_info()
        return found.vendor, brand_string() or platform.processor(), frozenset(found.features)


def _libc() -> str:
    """Return the name and version of the libc that this process runs on, read off the library and not the program."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, OSError, ValueError):
        return " ".join(platform.libc_ver()).strip()


def _windows_memory() -> int:
    """Ask GlobalMemoryStatusEx (MEMORYSTATUSEX, ullTotalPhys)."""
    import ctypes

    class MemoryStatus(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            ("total", ctypes.c_ulonglong),
            ("rest", ctypes.c_ulonglong * 6),
        )

    status = MemoryStatus(length=ctypes.sizeof(MemoryStatus))
    asked: bool = getattr(ctypes, "windll").kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # noqa: B009
    return int(status.total) if asked else 0
