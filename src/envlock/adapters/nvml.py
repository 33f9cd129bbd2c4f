"""NVIDIA's devices, as its management library (NVML) tells them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

from envlock.model.gpu_name import product_model
from envlock.model.machine import Accelerator, Accelerators
from envlock.model.unknown import Unknown

_PROFILE = re.compile(r"\bMIG (\S+)")
_CORES = {3: 192, 5: 128, 6: 128, 7: 64, 8: 128, 9: 128, 10: 128, 11: 128, 12: 128}
"""CUDA cores of one multiprocessor by major compute capability (cuda-samples, helper_cuda.h)."""
_FEWER_CORES = {(6, 0): 64, (8, 0): 64}


def nvidia_accelerators(nvml: Any, *, expected: bool) -> Accelerators | Unknown:
    """Return NVIDIA's devices and their driver; Unknown where NVML does not start, or fails on the way.

    `nvml` is the module pynvml. `expected` says that the system shows such a device: then a library that is missing
    leaves it unknown, else there is none. What a device does not support or an old driver does not know is left out of
    it; any other failure leaves all unknown, since whatever was said before it may be wrong too.
    """
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        if not expected and error.value == nvml.NVML_ERROR_LIBRARY_NOT_FOUND:
            return Accelerators()
        there = "an NVIDIA device is there, but " if expected else ""
        return Unknown(reason=f"{there}NVML says: {error}", hint=_way_out(nvml, error))
    try:
        return Accelerators(
            devices=tuple(_devices(nvml)),
            driver=_text(nvml.nvmlSystemGetDriverVersion()),
            cuda=_cuda(_optional(nvml, 0, nvml.nvmlSystemGetCudaDriverVersion_v2)),
        )
    except nvml.NVMLError as error:
        return Unknown(reason=f"NVML failed while it told of the NVIDIA devices: {error}", hint=_way_out(nvml, error))
    finally:
        with contextlib.suppress(nvml.NVMLError):
            nvml.nvmlShutdown()


def _devices(nvml: Any) -> Iterator[Accelerator]:
    for index in range(nvml.nvmlDeviceGetCount()):
        device = nvml.nvmlDeviceGetHandleByIndex(index)
        divided = _optional(nvml, (0, 0), nvml.nvmlDeviceGetMigMode, device)[0] == 1
        whole = _whole(nvml, device, divided=divided)
        yield from (list(_slices(nvml, device, whole)) or [whole]) if divided else [whole]


def _whole(nvml: Any, device: Any, *, divided: bool) -> Accelerator:
    name = _text(nvml.nvmlDeviceGetName(device))
    capability = tuple(_optional(nvml, (), nvml.nvmlDeviceGetCudaComputeCapability, device))
    cores = _optional(nvml, 0, nvml.nvmlDeviceGetNumGpuCores, device)
    ecc = _optional(nvml, None, nvml.nvmlDeviceGetEccMode, device)
    each = (_FEWER_CORES.get(capability) or _CORES.get(capability[0])) if capability else None
    return Accelerator(
        kind="nvidia",
        name=name,
        model=product_model(name),
        memory=_memory(nvml, device),
        compute_capability=".".join(map(str, capability)),
        multiprocessors=cores // each if each else 0,
        mig=divided,
        ecc=None if ecc is None else ecc[0] == 1,
    )


def _slices(nvml: Any, device: Any, whole: Accelerator) -> Iterator[Accelerator]:
    """Yield the instances of a divided device that this process may use: in a container, those that it was given."""
    from msgspec.structs import replace

    for index in range(_optional(nvml, 0, nvml.nvmlDeviceGetMaxMigDeviceCount, device)):
        try:
            part = nvml.nvmlDeviceGetMigDeviceHandleByIndex(device, index)
        except (nvml.NVMLError_NotFound, nvml.NVMLError_InvalidArgument, nvml.NVMLError_NoPermission):
            continue  # no instance in that place, or somebody else's
        about = _optional(nvml, None, nvml.nvmlDeviceGetAttributes, part)
        name = _text(_optional(nvml, "", nvml.nvmlDeviceGetName, part))
        match = _PROFILE.search(name)
        profile = match[1] if match else _profile(about)
        yield replace(
            whole,
            name=name if match else f"{whole.name} MIG {profile}".rstrip(),
            memory=_memory(nvml, part),
            multiprocessors=int(about.multiprocessorCount) if about else 0,
            mig_profile=profile,
        )


def _profile(about: Any) -> str:
    """Return the name that NVIDIA gives a slice, such as 1g.5gb, or 1c.2g.10gb for a part of one."""
    if about is None:
        return "slice"
    compute, slices = int(about.computeInstanceSliceCount), int(about.gpuInstanceSliceCount)
    part = f"{compute}c." if compute != slices else ""
    return f"{part}{slices}g.{round(int(about.memorySizeMB) / 1024)}gb"


def _memory(nvml: Any, device: Any) -> int:
    about = _optional(nvml, None, nvml.nvmlDeviceGetMemoryInfo, device)
    return 0 if about is None else int(about.total)


def _optional(nvml: Any, default: Any, ask: Callable[..., Any], *arguments: Any) -> Any:
    """Return an answer, or the default where the device or the driver has no such question."""
    try:
        return ask(*arguments)
    except (nvml.NVMLError_NotSupported, nvml.NVMLError_FunctionNotFound, nvml.NVMLError_NoPermission):
        return default


def _cuda(version: int) -> str:
    return f"{version // 1000}.{version % 1000 // 10}" if version else ""


def _way_out(nvml: Any, error: Any) -> str:
    hints = {
        nvml.NVML_ERROR_LIBRARY_NOT_FOUND: "Install NVIDIA's driver with its library libnvidia-ml.so.1, or let the "
        "container have it (NVIDIA Container Toolkit).",
        nvml.NVML_ERROR_DRIVER_NOT_LOADED: "Load NVIDIA's kernel driver: modprobe nvidia.",
        nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: "Driver and library are of two releases: restart the machine.",
        nvml.NVML_ERROR_NO_PERMISSION: "Give this user, or this container, access to /dev/nvidiactl.",
        nvml.NVML_ERROR_GPU_IS_LOST: "A device has fallen off its bus: restart the machine.",
    }
    return hints.get(error.value, "See what nvidia-smi says.")


def _text(value: str | bytes) -> str:
    """Return text of NVML, which older versions of its binding give as bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
