"""Platforms under the names that OCI, Debian, uv and PEP 508 give them."""

from __future__ import annotations

import msgspec

from envlock.errors import UsageError

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


class Platform(msgspec.Struct, frozen=True, order=True):
    """An operating system and architecture, as in an OCI image index (image-spec 1.1, image-index.md)."""

    os: str
    architecture: str

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Parse ``os/architecture``; raise UsageError for a platform that envlock does not lock."""
        os, _, architecture = text.partition("/")
        if os != "linux" or architecture not in _MACHINES:
            raise UsageError(
                "unknown-platform",
                f"Platform {text!r} cannot be locked.",
                expected=" or ".join(f"linux/{name}" for name in _MACHINES),
                found=text,
            )
        return cls(os, architecture)

    @classmethod
    def of_machine(cls, machine: str) -> Platform:
        """Return the Linux platform whose kernel gives `machine` as its name; UsageError as from `parse`."""
        names = {kernel: name for name, kernel in _MACHINES.items()}
        return cls.parse(f"linux/{names.get(machine, machine)}")

    def __str__(self) -> str:
        return f"{self.os}/{self.architecture}"

    @property
    def machine(self) -> str:
        """The kernel's name (``uname -m``), as wheel tags and PEP 508's platform_machine use it."""
        return _MACHINES[self.architecture]

    @property
    def marker(self) -> str:
        """The PEP 508 marker that holds on this platform alone."""
        return f"sys_platform == '{self.os}' and platform_machine == '{self.machine}'"

    @property
    def multiarch(self) -> str:
        """Debian's multiarch tuple, the folder of libraries under /usr/lib."""
        return f"{self.machine}-linux-gnu"
