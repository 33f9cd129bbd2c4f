"""What a machine can compute with, as it was seen; never who it is: no host name, address, serial number or UUID."""

from __future__ import annotations

from typing import Literal

import msgspec

from envlock.model.unknown import Unknown


class Cpu(msgspec.Struct, frozen=True, kw_only=True):
    """The processors that programs get."""

    architecture: str
    """As `platform.machine()` says it: x86_64, aarch64."""
    vendor: str = ""
    """As /proc/cpuinfo has it: GenuineIntel, AuthenticAMD, ARM."""
    model: str = ""
    """The brand name, such as `AMD EPYC 7B13`."""
    level: str = ""
    """The highest generic level that it reaches, such as x86-64-v3; empty where none is known."""
    features: tuple[str, ...] = ()
    """By their Linux names, sorted."""
    threads: int = 0
    """Hardware threads that are online."""
    affinity: int | None = None
    """Of these, those that this process may run on; None where the system does not say."""
    quota: float | None = None
    """CPUs' worth of time that a cgroup grants (cpu.max); None without a limit."""
    quota_unseen: Unknown | None = None
    """Why it is not known whether there is such a limit."""

    @property
    def usable(self) -> int:
        """How many threads can run at once: affinity and quota counted in, at least 1."""
        limits = [self.threads or 1, self.affinity or self.threads or 1]
        if self.quota is not None:
            limits.append(max(1, int(self.quota)))
        return max(1, min(limits))


class Accelerator(msgspec.Struct, frozen=True, kw_only=True):
    """One device that programs see: a GPU, or a slice of one."""

    kind: Literal["nvidia", "amd"]
    name: str
    """The product name, such as `NVIDIA A100-SXM4-40GB`."""
    model: str
    """The part of it that classes name: A100."""
    memory: int = 0
    """Bytes; 0 where the device does not say."""
    compute_capability: str = ""
    """Such as 8.0; a gfx target such as gfx942 for AMD; empty where the device does not say."""
    multiprocessors: int = 0
    """Streaming multiprocessors, or compute units; 0 where the device does not say."""
    mig: bool = False
    """Whether it is divided (Multi-Instance GPU): kernels run on fewer multiprocessors and sum in another order."""
    mig_profile: str = ""
    """Of a slice, such as 1g.5gb; a divided device without any slice that programs may use has none."""
    ecc: bool | None = None


class Accelerators(msgspec.Struct, frozen=True, kw_only=True):
    """All devices, with the driver that they share. No devices: it is known that there are none."""

    devices: tuple[Accelerator, ...] = ()
    driver: str = ""
    """Of the kernel, such as 535.129.03; NVIDIA's where there are devices of both kinds."""
    cuda: str = ""
    """The highest CUDA that the driver supports, such as 12.2."""
    idle: int = 0
    """NVIDIA's devices that no driver serves, so that programs see none of them."""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """A machine, or the part of it that a container is given."""

    system: str
    """sys.platform."""
    libc: str = ""
    """Such as `glibc 2.36`."""
    cpu: Cpu | Unknown
    memory: int | Unknown
    """Bytes that programs can have: a cgroup's limit where it is lower than what is built in."""
    accelerators: Accelerators | Unknown
