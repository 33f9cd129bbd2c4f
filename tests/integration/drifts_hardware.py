"""Drift of hardware: recorded machines in place of the one that the lock asks for."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from envlock.adapters.machine import observe_machine
from tests.integration.bench import Bench
from tests.integration.drift import Drift, drift
from tests.unit.machines import RecordedHost, RecordedNvml, recorded, replay


def _on(
    name: str, *options: str, change: Callable[[RecordedHost, RecordedNvml], object] | None = None
) -> Callable[[Bench], None]:
    """Return what puts a recorded machine, changed or not, in place of this one."""

    def make(bench: Bench) -> None:
        bench.as_run()
        bench.options = list(options)
        if change is None:
            bench.machine = replay(name)
            return
        host, nvml = recorded(name)
        change(host, nvml)
        bench.machine = observe_machine(host, nvml)

    return make


def _old_driver(host: RecordedHost, nvml: RecordedNvml) -> None:
    nvml.said = {**(nvml.said or {}), "driver": "470.57.02", "cuda": 11040}


def _device(nvml: RecordedNvml, **answers: object) -> None:
    said = dict(nvml.said or {})
    said["devices"] = [{**device, **answers} for device in said["devices"]]
    nvml.said = said


def _small_memory(host: RecordedHost, nvml: RecordedNvml) -> None:
    _device(nvml, memory=21_474_836_480)


def _capability(host: RecordedHost, nvml: RecordedNvml) -> None:
    _device(nvml, compute_capability=[7, 5])


def _no_device(host: RecordedHost, nvml: RecordedNvml) -> None:
    host.files = {path: text for path, text in host.files.items() if "/pci/" not in path}
    host.said = {**host.said, "nodes": []}
    nvml.said = None


def _less_memory(host: RecordedHost, nvml: RecordedNvml) -> None:
    host.files["/proc/meminfo"] = "MemTotal:       16777216 kB\n"


def _feature(host: RecordedHost, nvml: RecordedNvml) -> None:
    host.files["/proc/cpuinfo"] = re.sub(r"\bavx2\b ", "", host.files["/proc/cpuinfo"])


def _container_limit(host: RecordedHost, nvml: RecordedNvml) -> None:
    """A cgroup's, which is what a container gets of a large machine."""
    host.files["/sys/fs/cgroup/user.slice/session.scope/memory.max"] = str(8 << 30)


A100 = ("--on", "a100")
_SETTINGS = ("threads-count",)
row = partial(drift, "Hardware", beside=_SETTINGS)
HARDWARE: tuple[Drift, ...] = (
    row("no GPU, where an A100 is asked for", _on("a100", *A100, change=_no_device), "accelerator-kind", 1),
    row("an AMD GPU", _on("mi300x", *A100), "accelerator-kind", 1),
    row("another model: H100", _on("h100-8", *A100), "accelerator-model", 1),
    row("another model: T4", _on("t4", *A100), "accelerator-model", 1, beside=(*_SETTINGS, "memory-size")),
    row("another model, and an older driver: V100", _on("v100", *A100), "accelerator-model", 1,
        beside=(*_SETTINGS, "accelerator-driver")),
    row("an older compute capability than the model's", _on("a100", *A100, change=_capability),
        "accelerator-capability", 1),
    row("a GPU with less memory", _on("a100", *A100, change=_small_memory), "accelerator-memory", 1),
    row("an old driver", _on("a100", *A100, change=_old_driver), "accelerator-driver", 1),
    row("a driver that is not loaded", _on("driver-not-loaded", *A100), "accelerator-kind", 3),
    row("no library to ask the driver", _on("no-library", *A100), "accelerator-kind", 3),
    row("NVML fails midway", _on("nvml-lost", *A100), "accelerator-kind", 3),
    row("a slice of an A100 (MIG)", _on("a100-mig", *A100), "accelerator-mig", 1),
    row("MIG without a slice", _on("a100-mig-empty", *A100), "accelerator-mig", 1),
    row("a container without the GPU", _on("container", *A100), "accelerator-kind", 1,
        beside=(*_SETTINGS, "memory-size")),
    row("a control group that cannot be read", _on("container-unseen", "--on", "cpu"), "memory-size", 3),
    row("an old CPU", _on("k10", "--on", "cpu"), "cpu-level", 1),
    row("a CPU without AVX2", _on("a100", *A100, change=_feature), "cpu-features", 1, beside=(*_SETTINGS, "cpu-level")),
    row("another architecture", _on("neoverse-v1", "--on", "cpu"), "cpu-level", 1),
    row("less memory", _on("a100", *A100, change=_less_memory), "memory-size", 1),
    row("less memory by a control group", _on("a100", *A100, change=_container_limit), "memory-size", 1),
    row("a machine of no class, under --strict", _on("k10", "--strict"), "hardware-class", 1),
)  # fmt: skip
