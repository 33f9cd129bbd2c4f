"""Recorded machines: what their files, calls and NVML said, replayed in place of this one's.

The texts of CPUs are those of archspec's own tests (https://github.com/archspec/archspec-json, Apache-2.0 or MIT), as
their `source` says; what NVML answers is composed of what NVIDIA publishes and `nvidia-smi` prints for a product.
`python -m tests.unit.machines.record` prints the machine that it runs on, without anything that says whose it is.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml

from envlock.adapters.machine import observe_machine
from envlock.model.machine import Machine

FOLDER = Path(__file__).parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.toml"))


class RecordedHost:
    """A machine as a file of this folder describes it."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        self.said = said
        self.system: str = said["system"]
        self.architecture: str = said["architecture"]
        self.libc: str = said.get("libc", "")
        self.files: dict[str, str] = dict(said.get("files", {}))
        self.unreadable: frozenset[str] = frozenset(said.get("unreadable", ()))

    def read(self, path: str) -> str | None:
        if path in self.unreadable:
            raise PermissionError(13, "Permission denied", path)
        return self.files.get(path)

    def names(self, folder: str) -> tuple[str, ...]:
        prefix = folder.rstrip("/") + "/"
        below = [path[len(prefix) :] for path in (*self.files, *self.said.get("nodes", ())) if path.startswith(prefix)]
        return tuple(sorted({path.split("/")[0] for path in below}))

    def threads(self) -> int:
        return int(self.said.get("threads", 0))

    def affinity(self) -> int | None:
        return self.said.get("affinity")

    def memory(self) -> int:
        return int(self.said.get("memory", 0))

    def sysctl(self) -> str:
        return str(self.said["sysctl"])

    def cpuid(self) -> tuple[str, str, frozenset[str]]:
        said = self.said["cpuid"]
        return said["vendor"], said["brand"], frozenset(said["features"].split())


class RecordedNvml:
    """NVML as it answered: an answer of a recording is a value, or the name of an error."""

    def __init__(self, said: Mapping[str, Any] | None) -> None:
        self.said = said
        self.open = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(pynvml, name)  # errors and their numbers

    def _answer(self, table: Mapping[str, Any], key: str) -> Any:
        value = table.get(key, "NOT_SUPPORTED")
        error = getattr(pynvml, f"NVML_ERROR_{value}", None) if isinstance(value, str) and value.isupper() else None
        if error is not None:
            raise pynvml.NVMLError(error)
        return value

    def nvmlInit(self) -> None:  # noqa: N802
        if self.said is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)
        if "init" in self.said:
            self._answer(self.said, "init")
        self.open += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.open -= 1

    def nvmlSystemGetDriverVersion(self) -> Any:  # noqa: N802
        assert self.said is not None
        return self._answer(self.said, "driver")

    def nvmlSystemGetCudaDriverVersion_v2(self) -> Any:  # noqa: N802
        assert self.said is not None
        return self._answer(self.said, "cuda")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        assert self.said is not None
        return sum(int(device.get("times", 1)) for device in self.said["devices"])

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Mapping[str, Any]:  # noqa: N802
        assert self.said is not None
        devices: list[Mapping[str, Any]] = [
            device for device in self.said["devices"] for _ in range(device.get("times", 1))
        ]
        self._answer({"handle": "", **devices[index]}, "handle")
        return devices[index]

    def nvmlDeviceGetName(self, device: Mapping[str, Any]) -> Any:  # noqa: N802
        return self._answer(device, "name")

    def nvmlDeviceGetMemoryInfo(self, device: Mapping[str, Any]) -> Any:  # noqa: N802
        return SimpleNamespace(total=self._answer(device, "memory"))

    def nvmlDeviceGetCudaComputeCapability(self, device: Mapping[str, Any]) -> Any:  # noqa: N802
        return self._answer(device, "compute_capability")

    def nvmlDeviceGetNumGpuCores(self, device: Mapping[str, Any]) -> Any:  # noqa: N802
        return self._answer(device, "cores")

    def nvmlDeviceGetEccMode(self, device: Mapping[str, Any]) -> Any:  # noqa: N802
        return [self._answer(device, "ecc")] * 2

    def nvmlDeviceGetMigMode(self, device: Mapping[str, Any]) -> Any:  # noqa: N802
        return [self._answer(device, "mig")] * 2

    def nvmlDeviceGetMaxMigDeviceCount(self, device: Mapping[str, Any]) -> int:  # noqa: N802
        return 7 if device.get("mig") else 0

    def nvmlDeviceGetMigDeviceHandleByIndex(self, device: Mapping[str, Any], index: int) -> Any:  # noqa: N802
        slices = device.get("slices", [])
        if index >= len(slices):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return slices[index]

    def nvmlDeviceGetAttributes(self, part: Mapping[str, Any]) -> Any:  # noqa: N802
        return SimpleNamespace(**self._answer(part, "attributes"))


def recorded(name: str) -> tuple[RecordedHost, RecordedNvml]:
    """Return the host and the NVML of a recording."""
    said = tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))
    return RecordedHost(said), RecordedNvml(said.get("nvml"))


def replay(name: str) -> Machine:
    """Return what is observed of a recorded machine."""
    host, nvml = recorded(name)
    machine = observe_machine(host, nvml)
    assert nvml.open == 0, "NVML was left open"
    return machine
