"""This machine's hardware, as a suggestion for a manifest; it never reaches a lock by itself."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Any

from envlock.model.hardware import AcceleratorClass, HardwareClass

_MAKERS = re.compile(r"\b(NVIDIA|Tesla|GeForce|Quadro|Generation|Laptop GPU)\b")
_FORM = re.compile(r"[- ](PCIE?|SXM\d?|HBM\w*|NVL|MIG\b.*|\d+ ?GB\b).*", re.IGNORECASE)
_AMD = Path("/dev/kfd")
"""The compute device of AMD's Linux driver."""


def suggest_hardware() -> tuple[str, HardwareClass]:
    """Return a class that this machine belongs to, and a name for it: the GPU's model, or `cpu`.

    Its level of CPU, its memory rounded down, and its GPU as NVML or AMD's driver tell them.
    """
    accelerator = _nvidia() or AcceleratorClass(kind="amd" if _AMD.exists() else "none")
    name = accelerator.models[0] if accelerator.models else "cpu" if accelerator.kind == "none" else accelerator.kind
    memory = _memory_gib()
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-"), HardwareClass(
        cpu_level=_cpu_level(),
        memory_gib=f">={memory}" if memory else None,
        accelerator=accelerator,
    )


def product_model(name: str) -> str:
    """Return the part of NVML's product name that says the model: A100 of `NVIDIA A100-SXM4-40GB`."""
    bare = " ".join(_MAKERS.sub(" ", name).split())
    return _FORM.sub("", bare).strip() or bare


def _cpu_level() -> str | None:
    from archspec.cpu import host

    level: Any = host().generic
    if level.family.name not in ("x86_64", "aarch64"):
        return None
    name = str(level.name)
    return ">=" + (name.replace("_", "-") if level.family.name == "x86_64" else name)


def _memory_gib() -> int:
    """Return the memory in GiB, rounded down to a multiple of four above eight; 0 where it is not known."""
    try:
        whole: int = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 30
    except (AttributeError, OSError, ValueError):
        return 0
    return whole - whole % 4 if whole > 8 else whole


def _nvidia() -> AcceleratorClass | None:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        return _described(pynvml)
    except pynvml.NVMLError:
        return AcceleratorClass(kind="nvidia")
    finally:
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _described(nvml: Any) -> AcceleratorClass | None:
    devices = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
    if not devices:
        return None
    memory = min(int(nvml.nvmlDeviceGetMemoryInfo(device).total) for device in devices) >> 30
    return AcceleratorClass(
        kind="nvidia",
        models=tuple(sorted({product_model(_text(nvml.nvmlDeviceGetName(device))) for device in devices})),
        count=">=1",
        memory_gib=f">={memory}",
        driver=">=" + _text(nvml.nvmlSystemGetDriverVersion()).partition(".")[0],
    )


def _text(value: str | bytes) -> str:
    """Return text of NVML, which older versions of its binding give as bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
