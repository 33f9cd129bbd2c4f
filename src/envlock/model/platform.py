"""Platforms under the names that OCI, Debian, uv and PEP 508 give them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from envlock.errors import UsageError

MACOS = "14.0"
"""The oldest macOS that a lock installs on: torch has no wheels for older ones since 2.14; uv alone assumes 13.0."""


class _Names(NamedTuple):
    """What one platform is called elsewhere."""

    sys_platform: str
    platform_system: str
    machine: str
    uv: str


_NAMES = {
    ("linux", "amd64"): _Names("linux", "Linux", "x86_64", "x86_64"),
    ("linux", "arm64"): _Names("linux", "Linux", "aarch64", "aarch64"),
    ("macos", "amd64"): _Names("darwin", "Darwin", "x86_64", "x86_64-apple-darwin"),
    ("macos", "arm64"): _Names("darwin", "Darwin", "arm64", "aarch64-apple-darwin"),
    ("windows", "amd64"): _Names("win32", "Windows", "AMD64", "x86_64-pc-windows-msvc"),
}
_SYSTEMS = {"darwin": "macos", "osx": "macos", "win": "windows", "win32": "windows"}
"""What others call an operating system."""
_ARCHITECTURES = {"x86_64": "amd64", "x64": "amd64", "aarch64": "arm64"}
_MANYLINUX = (17, 28, *range(31, 41))
"""The glibc 2.x that uv has platform names for."""


class Platform(msgspec.Struct, frozen=True, order=True):
    """An operating system and architecture, as in an OCI image index (image-spec 1.1, image-index.md)."""

    os: str
    architecture: str

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Parse ``os/architecture``, also by the names of others, such as ``darwin/aarch64``.

        Raises UsageError (`unknown-platform`) for a platform that envlock does not lock.
        """
        system, _, architecture = text.lower().partition("/")
        key = _SYSTEMS.get(system, system), _ARCHITECTURES.get(architecture, architecture)
        if key not in _NAMES:
            raise UsageError(
                "unknown-platform",
                f"Platform {text!r} cannot be locked.",
                expected=" or ".join("/".join(known) for known in _NAMES),
                found=text,
            )
        return cls(*key)

    @classmethod
    def of_machine(cls, machine: str, system: str = "linux") -> Platform:
        """Return the platform of a kernel's machine name and a sys.platform; UsageError as from `parse`."""
        return cls.parse(f"{system}/{machine}")

    @classmethod
    def known(cls) -> tuple[Platform, ...]:
        """Every platform that can be locked, sorted."""
        return tuple(sorted(cls(*names) for names in _NAMES))

    def __str__(self) -> str:
        return f"{self.os}/{self.architecture}"

    @property
    def is_linux(self) -> bool:
        """Whether images, glibc and Debian packages are of any concern to it."""
        return self.os == "linux"

    @property
    def machine(self) -> str:
        """What platform.machine() and PEP 508's platform_machine say there; Linux wheel tags too."""
        return self._names.machine

    @property
    def sys_platform(self) -> str:
        """PEP 508's sys_platform: linux, darwin or win32."""
        return self._names.sys_platform

    @property
    def system(self) -> str:
        """PEP 508's platform_system: Linux, Darwin or Windows."""
        return self._names.platform_system

    @property
    def marker(self) -> str:
        """The PEP 508 marker that holds on this platform alone."""
        return f"sys_platform == '{self.sys_platform}' and platform_machine == '{self.machine}'"

    @property
    def multiarch(self) -> str:
        """Debian's multiarch tuple, the folder of libraries under /usr/lib; of Linux platforms only."""
        return f"{self.machine}-linux-gnu"

    def uv_target(self, glibc: str) -> str:
        """Return uv's --python-platform: on Linux its newest target that this glibc can run.

        `locking.select` applies the exact glibc; macOS needs MACOSX_DEPLOYMENT_TARGET = `MACOS` beside it.
        """
        if not self.is_linux:
            return self._names.uv
        minor = max(int(glibc.split(".")[1]), _MANYLINUX[0])
        return f"{self.machine}-manylinux_2_{max(known for known in _MANYLINUX if known <= minor)}"

    @property
    def _names(self) -> _Names:
        return _NAMES[self.os, self.architecture]


def image_platforms(platforms: Iterable[Platform], where: str = "") -> tuple[Platform, ...]:
    """Return those that an image is made for, sorted; UsageError (`no-linux-platform`) where there is none.

    `where` says to the user whose platforms they are.
    """
    linux = tuple(sorted({platform for platform in platforms if platform.is_linux}))
    if not linux:
        raise UsageError(
            "no-linux-platform",
            "Images are of Linux, and no Linux platform is locked.",
            where=where,
            expected="linux/amd64 or linux/arm64 among platforms",
            hint="Add one to platforms, or take the image table out of this environment.",
        )
    return linux
