"""AMD's devices, as the compute driver of Linux tells them in sysfs (amdkfd)."""

from __future__ import annotations

import posixpath

from envlock.adapters.host import Host
from envlock.model.gpu_name import product_model
from envlock.model.machine import Accelerator, Accelerators
from envlock.model.unknown import Unknown

_NODES = "/sys/class/kfd/kfd/topology/nodes"
_DEVICE_MEMORY = ("1", "2")
"""heap_type of a memory bank on the device: public, private (linux/include/uapi/linux/kfd_sysfs.h)."""


def amd_accelerators(host: Host) -> Accelerators | Unknown:
    """Return AMD's devices that programs can compute on; none without /dev/kfd, through which ROCm reaches them.

    A container sees the host's topology, but only its own render nodes: devices without one are not its own.
    """
    if "kfd" not in host.names("/dev"):
        return Accelerators()
    nodes = sorted(host.names(_NODES), key=lambda name: (len(name), name))
    if not nodes:
        return Unknown(reason="/dev/kfd is there, but the driver does not tell its devices", hint="See rocminfo.")
    rendered = host.names("/dev/dri")
    try:
        found = [_device(host, posixpath.join(_NODES, node), rendered) for node in nodes]
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", "") or str(error)
        return Unknown(reason=f"AMD's compute devices cannot be read ({reason})", hint="See rocminfo.")
    return Accelerators(
        devices=tuple(device for device in found if device is not None),
        driver=(host.read("/sys/module/amdgpu/version") or "").strip(),
    )


def _device(host: Host, node: str, rendered: tuple[str, ...]) -> Accelerator | None:
    """Return the device of a node; None for one of CPUs alone, and for another container's."""
    said = _properties(host.read(posixpath.join(node, "properties")) or "")
    simds, render = int(said.get("simd_count", "0")), f"renderD{said.get('drm_render_minor', '')}"
    if not simds or render not in rendered:
        return None
    name = (host.read(f"/sys/class/drm/{render}/device/product_name") or "").strip()
    name = name or (host.read(posixpath.join(node, "name")) or "").strip()
    target = _gfx(int(said.get("gfx_target_version", "0")))
    return Accelerator(
        kind="amd",
        name=name or target,
        model=product_model(name) or target,
        memory=_memory(host, posixpath.join(node, "mem_banks")),
        compute_capability=target,
        multiprocessors=simds // max(1, int(said.get("simd_per_cu", "4"))),
    )


def _memory(host: Host, banks: str) -> int:
    said = (_properties(host.read(posixpath.join(banks, bank, "properties")) or "") for bank in host.names(banks))
    return sum(int(bank.get("size_in_bytes", "0")) for bank in said if bank.get("heap_type") in _DEVICE_MEMORY)


def _gfx(version: int) -> str:
    """Return the target's name: gfx90a for 90010, whose stepping is written in hexadecimal."""
    return f"gfx{version // 10_000}{version // 100 % 100:x}{version % 100:x}" if version else ""


def _properties(text: str) -> dict[str, str]:
    rows = (line.split(None, 1) for line in text.splitlines())
    return {row[0]: row[1].strip() for row in rows if len(row) == 2}
