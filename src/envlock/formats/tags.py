"""What a target accepts: marker environments (PEP 508) and wheel tags (PEP 425, PEP 600) of a platform."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import parse_wheel_filename

from envlock.model.platform import MACOS, Platform

_UNIVERSAL = {
    "arm64": frozenset({"universal2"}),
    "x86_64": frozenset({"fat3", "fat64", "intel", "universal", "universal2"}),
}
"""Endings of macOS tags that hold several machines' code."""
_LEGACY = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}


def environment_of(python: str, platform: Platform, full_version: str | None = None) -> dict[str, str | frozenset[str]]:
    """Return the marker environment of CPython `python` (feature version) on a platform."""
    return {
        "implementation_name": "cpython",
        "implementation_version": full_version or f"{python}.0",
        "os_name": "nt" if platform.os == "windows" else "posix",
        "platform_machine": platform.machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": platform.system,
        "platform_version": "",
        "python_full_version": full_version or f"{python}.0",
        "python_version": python,
        "sys_platform": platform.sys_platform,
        "extras": frozenset(),
        "dependency_groups": frozenset(),
    }


def linux_platforms(platform: Platform, glibc: str) -> Iterator[str]:
    """Yield platform tags from the newest glibc that fits down to PEP 513's, then plain linux."""
    major, minor = (int(part) for part in glibc.split(".")[:2])
    oldest = 5 if platform.machine == "x86_64" else 17
    for release in range(minor, oldest - 1, -1):
        yield f"manylinux_{major}_{release}_{platform.machine}"
        if (major, release) in _LEGACY:
            yield f"{_LEGACY[major, release]}_{platform.machine}"
    yield f"linux_{platform.machine}"


def platform_tags(platform: Platform, glibc: str) -> Iterator[str]:
    """Yield the platform tags that wheels for a platform may have, the best first; `glibc` counts on Linux only."""
    if platform.is_linux:
        yield from linux_platforms(platform, glibc)
    elif platform.os == "macos":
        major, minor = (int(part) for part in MACOS.split("."))
        yield from mac_platforms((major, minor), platform.machine)
    else:
        yield f"win_{platform.architecture}"


def target_tags(python: str, platform: Platform, glibc: str) -> list[Tag]:
    """Return every tag that CPython `python` on the platform accepts, the best first."""
    version = [int(part) for part in python.split(".")]
    platforms = list(platform_tags(platform, glibc))
    interpreter = f"cp{version[0]}{version[1]}"
    return [*cpython_tags(version, platforms=platforms), *compatible_tags(version, interpreter, platforms)]


def best_of(names: Sequence[str], platform: Platform) -> str | None:
    """Return the wheel that a platform installs, of the file names that a lock lists for one package.

    A lock holds one wheel per package and platform, so it is told by what it was chosen over: a wheel of the machine
    goes before a universal one of macOS, and that before one for any platform.
    """
    ranked = sorted((rank, name) for name in names if (rank := _rank(name, platform)) is not None)
    return ranked[0][1] if ranked else None


def _rank(name: str, platform: Platform) -> int | None:
    tags = {tag.platform for tag in parse_wheel_filename(name)[3]}
    own = {"linux": "linux", "macos": "macosx", "windows": "win"}[platform.os]
    mine = {tag for tag in tags if own in tag}
    machine = platform.architecture if platform.os == "windows" else platform.machine
    if any(tag.endswith(f"_{machine}") for tag in mine):
        return 0
    if platform.os == "macos" and any(tag.rpartition("_")[2] in _UNIVERSAL[machine] for tag in mine):
        return 1
    return 2 if "any" in tags else None
