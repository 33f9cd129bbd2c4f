"""Named hardware classes: constraints on the machine that an environment may run on."""

from __future__ import annotations

from typing import Literal

import msgspec


class AcceleratorClass(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """The accelerator that a class asks for. Constraints are operators and numbers, such as `>=16`."""

    kind: Literal["nvidia", "amd", "none"]
    models: tuple[str, ...] = ()
    """Any of these, as NVIDIA's product names contain them: A100, H100, L4."""
    count: str | None = None
    memory_gib: str | None = None
    driver: str | None = None
    """Of the kernel driver: `>=535`."""
    compute_capability: str | None = None
    """Such as `>=8.0`."""


class HardwareClass(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """[hardware.NAME] of a manifest, normalised in a lock."""

    cpu_level: str | None = None
    """A generic level of x86-64 or AArch64: `>=x86-64-v3`."""
    cpu_features: tuple[str, ...] = ()
    """Features by their Linux names, such as avx512_vnni."""
    cpus: str | None = None
    memory_gib: str | None = None
    accelerator: AcceleratorClass | None = None


class Facts(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """What the locked artifacts themselves say of the hardware they need; never of the machine that ran `lock`."""

    cuda: str | None = None
    """CUDA runtime, such as 12.8."""
    cudnn: str | None = None
    nccl: str | None = None
    rocm: str | None = None
    gpu_targets: tuple[str, ...] = ()
    """GPU code the framework carries, such as sm_80, compute_90, gfx942."""
    minimum_driver: str | None = None
    """Of NVIDIA's Linux driver, for the CUDA runtime."""
    minimum_glibc: str | None = None
    sources: dict[str, str] = {}
    """For each fact above, by its key here, the artifact that says so: `nvidia-cuda-runtime-cu12 12.8.90`."""
