"""Which accelerators programs see of those that a machine has: variables hide them (CUDA programming guide; ROCm)."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from envlock.model.machine import Accelerator, Accelerators, Machine

_BY_KIND = {
    "nvidia": ("CUDA_VISIBLE_DEVICES",),
    "amd": ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL"),
}


def hiding(machine: Machine, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that hide accelerators of a machine, with their values."""
    found = machine.accelerators
    if not isinstance(found, Accelerators):
        return {}
    return {
        name: variables[name]
        for kind, names in _BY_KIND.items()
        for name in names
        if name in variables and (own := _of(found, kind)) and len(_left(own, variables[name])) < len(own)
    }


def as_programs_see(machine: Machine, variables: Mapping[str, str]) -> Machine:
    """Return a machine with the accelerators that are left to programs which are started with these variables."""
    found = machine.accelerators
    if not isinstance(found, Accelerators):
        return machine
    left: list[Accelerator] = []
    for kind, names in _BY_KIND.items():
        own = _of(found, kind)
        for name in names:
            own = _left(own, variables[name]) if name in variables else own
        left += own
    return replace(machine, accelerators=replace(found, devices=tuple(left)))


def _of(found: Accelerators, kind: str) -> list[Accelerator]:
    return [device for device in found.devices if device.kind == kind]


def _left(devices: list[Accelerator], value: str) -> list[Accelerator]:
    """Return the devices that a list of indices and UUIDs names, until the first entry that names none."""
    named: list[Accelerator] = []
    for entry in value.split(","):
        text = entry.strip()
        if text.isdecimal():
            if int(text) >= len(devices):
                break
            named.append(devices[int(text)])
        elif text and not text.startswith("-") and len(named) < len(devices):
            named.append(devices[len(named)])  # by its UUID, which is not observed
        else:
            break
    return named
