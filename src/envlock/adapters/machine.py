"""This machine as programs get it: CPU, memory and accelerators, and what could not be seen of them."""

from __future__ import annotations

import posixpath
import re
import threading
from typing import Any

from msgspec.structs import replace

from envlock.adapters.amd import amd_accelerators
from envlock.adapters.host import Host, ThisHost
from envlock.adapters.nvml import nvidia_accelerators
from envlock.formats.cgroups import Limits, limits_of
from envlock.formats.cpuinfo import cpu_of, parse_cpuinfo, parse_sysctl, sysctl_memory
from envlock.model.machine import Accelerators, Cpu, Machine
from envlock.model.unknown import Unknown

_NODE = re.compile(r"nvidia(ctl|\d+)|nvhost-ctrl-gpu")
_WSL = "/usr/lib/wsl/lib"
_PCI = "/sys/bus/pci/devices"
_DISPLAY = re.compile(r"PCI_CLASS=3[0-9A-F]{4}\n", re.IGNORECASE)
_SECONDS = 30.0
"""How long drivers may take to answer: without persistence NVML wakes each device, in seconds; a broken one never."""
_CONTAINER_FILES = ("/.dockerenv", "/run/.containerenv")


def observe_machine(host: Host | None = None, nvml: Any = None) -> Machine:
    """Return what this machine can compute with: the edge `Machines`.

    Args:
        host: a recorded machine in place of this one.
        nvml: what stands in for the module pynvml.
    """
    host = ThisHost() if host is None else host
    limits = limits_of(host.read) if host.system == "linux" else Limits()
    return Machine(
        system=host.system,
        libc=host.libc,
        cpu=_cpu(host, limits),
        memory=_memory(host, limits),
        accelerators=_seen_accelerators(host, nvml),
    )


def _cpu(host: Host, limits: Limits) -> Cpu | Unknown:
    try:
        if host.system == "linux":
            text = host.read("/proc/cpuinfo")
            if text is None:
                return Unknown(reason="there is no /proc/cpuinfo", hint="Mount /proc.")
            cpu = parse_cpuinfo(text, host.architecture)
            threads = _count(host.read("/sys/devices/system/cpu/online") or "") or cpu.threads
        elif host.system == "darwin":
            cpu = parse_sysctl(host.sysctl(), host.architecture)
            threads = cpu.threads
        else:
            vendor, brand, features = host.cpuid()
            cpu = cpu_of(host.architecture, vendor=vendor, model=brand, features=features, threads=0)
            threads = 0
    except Exception as error:  # noqa: BLE001 - whatever the system's calls raise, it is not seen
        return Unknown(reason=f"the CPU cannot be seen ({error})")
    return replace(
        cpu,
        threads=threads or host.threads(),
        affinity=host.affinity(),
        quota=None if isinstance(limits.cpus, Unknown) else limits.cpus,
        quota_unseen=limits.cpus if isinstance(limits.cpus, Unknown) else None,
    )


def _count(ranges: str) -> int:
    """Return how many CPUs a list such as 0-3,8 names (cpu-list of the kernel), 0 for anything else."""
    spans = [re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip()) for part in ranges.split(",")]
    return sum(int(span[2] or span[1]) - int(span[1]) + 1 if span else 0 for span in spans)


def _memory(host: Host, limits: Limits) -> int | Unknown:
    try:
        if host.system == "linux":
            match = re.search(r"^MemTotal:\s+(\d+) kB$", host.read("/proc/meminfo") or "", re.MULTILINE)
            whole = int(match[1]) * 1024 if match else 0
        elif host.system == "darwin":
            whole = sysctl_memory(host.sysctl())
        else:
            whole = 0
        whole = whole or host.memory()
    except Exception as error:  # noqa: BLE001 - see above
        return Unknown(reason=f"the memory cannot be seen ({error})")
    if not whole:
        return Unknown(reason="the system does not say how much memory there is")
    if isinstance(limits.memory, Unknown):
        return limits.memory
    return whole if limits.memory is None else min(whole, limits.memory)


def _seen_accelerators(host: Host, nvml: Any) -> Accelerators | Unknown:
    """Ask in a thread that nobody waits for: a call into a broken driver may never return, and cannot be ended."""
    answers: list[Accelerators | Unknown] = []
    asking = threading.Thread(target=lambda: answers.append(_tried_accelerators(host, nvml)), daemon=True)
    asking.start()
    asking.join(_SECONDS)
    if answers:
        return answers[0]
    reason = f"the accelerators cannot be seen (no driver answered within {_SECONDS:.0f} seconds)"
    return Unknown(reason=reason, hint="See whether nvidia-smi answers, or restart the machine.")


def _tried_accelerators(host: Host, nvml: Any) -> Accelerators | Unknown:
    try:
        return _accelerators(host, nvml)
    except Exception as error:  # noqa: BLE001 - whatever libraries of drivers raise, they are not seen
        reason = getattr(error, "strerror", None) or type(error).__name__
        return Unknown(reason=f"the accelerators cannot be seen ({reason})")


def _accelerators(host: Host, nvml: Any) -> Accelerators | Unknown:
    """Return what programs can reach. Nothing is loaded where no device is."""
    if host.system == "darwin":
        return Accelerators()
    nvidia: Accelerators | Unknown = Accelerators()
    idle = 0
    if host.system == "linux":
        contained = _contained(host)
        served, idle = (0, 0) if contained else _pci(host)
        # A machine without nodes yet makes them when NVML starts; a container without nodes was given no device.
        if served or any(map(_NODE.fullmatch, host.names("/dev"))) or "libnvidia-ml.so.1" in host.names(_WSL):
            nvidia = nvidia_accelerators(_library(nvml), expected=True)
    else:
        nvidia = nvidia_accelerators(_library(nvml), expected=False)
    amd = amd_accelerators(host)
    if isinstance(nvidia, Unknown):
        return nvidia
    if isinstance(amd, Unknown):
        return amd
    return replace(nvidia, devices=(*nvidia.devices, *amd.devices), driver=nvidia.driver or amd.driver, idle=idle)


def _library(nvml: Any) -> Any:
    if nvml is None:
        import pynvml

        return pynvml
    return nvml


def _pci(host: Host) -> tuple[int, int]:
    """Return how many NVIDIA displays and 3D controllers there are with NVIDIA's driver, and with none or another."""
    served = others = 0
    for name in host.names(_PCI):
        if (host.read(posixpath.join(_PCI, name, "vendor")) or "").strip() != "0x10de":
            continue
        about = host.read(posixpath.join(_PCI, name, "uevent")) or ""
        if _DISPLAY.search(about):
            served += "DRIVER=nvidia\n" in about
            others += "DRIVER=nvidia\n" not in about
    return served, others


def _contained(host: Host) -> bool:
    """Tell whether this is a container: it has an engine's mark, or its root is a stack of layers."""
    if any(posixpath.basename(path) in host.names(posixpath.dirname(path)) for path in _CONTAINER_FILES):
        return True
    for line in (host.read("/proc/self/mountinfo") or "").splitlines():
        before, _, after = line.partition(" - ")
        if before.split()[4:5] == ["/"] and after.split()[:1] and "overlay" in after.split()[0]:
            return True
    return False
