"""What a target accepts: marker environments (PEP 508) and wheel tags (PEP 425, PEP 600) of a platform."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

from envlock.model.platform import Platform

_LEGACY = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}


def environment_of(python: str, platform: Platform, full_version: str | None = None) -> dict[str, str | frozenset[str]]:
    """Return the marker environment of CPython `python` (feature version) on a platform."""
    return {
        "implementation_name": "cpython",
        "implementation_version": full_version or f"{python}.0",
        "os_name": "posix",
        "platform_machine": platform.machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": full_version or f"{python}.0",
        "python_version": python,
        "sys_platform": platform.os,
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


def target_tags(python: str, platform: Platform, glibc: str) -> list[Tag]:
    """Return every tag that CPython `python` on the platform accepts, the best first."""
    version = [int(part) for part in python.split(".")]
    platforms = list(linux_platforms(platform, glibc))
    interpreter = f"cp{version[0]}{version[1]}"
    return [*cpython_tags(version, platforms=platforms), *compatible_tags(version, interpreter, platforms)]


def supported_by(platform: Platform) -> Callable[[str], bool]:
    """Return a test of wheel file names: could this locked wheel be for that platform?

    A lock holds one wheel per package and platform, so the machine's name decides.
    """

    def supports(filename: str) -> bool:
        tags = parse_wheel_filename(filename)[3]
        return any(tag.platform == "any" or tag.platform.endswith(f"_{platform.machine}") for tag in tags)

    return supports
