"""Prints a recording of the machine that it runs on: `python -m tests.unit.machines.record > NAME.toml`.

Only what `observe_machine` reads is written, and of that only the lines that it looks at: no host name, address, serial
number, UUID, bus address or path of a job.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable
from typing import Any

from envlock.adapters.host import ThisHost
from envlock.adapters.machine import observe_machine

_CPU = re.compile(r"(processor|vendor_id|cpu family|model|model name|stepping|flags|Features|CPU \w+)\s*:")
_ADDRESS = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]", re.IGNORECASE)
_JOB = re.compile(r"(?<=/)[^/:\s]*[0-9a-f]{8,}[^/:\s]*")


class Recorder(ThisHost):
    """This machine, which keeps what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, str] = {}
        self.nodes: set[str] = set()

    def read(self, path: str) -> str | None:
        text = super().read(path)
        if text is not None:
            self.files[path] = text
        return text

    def names(self, folder: str) -> tuple[str, ...]:
        found = super().names(folder)
        wanted = re.compile(r"nvidia.*|nvhost.*|kfd|renderD\d+|\.dockerenv|\.containerenv|libnvidia-ml\.so\.1")
        self.nodes |= {f"{folder.rstrip('/')}/{name}" for name in found if wanted.fullmatch(name)}
        return found


def redacted(path: str, text: str) -> str:
    """Return the lines of a file that are looked at, without what tells one machine from another of its kind."""
    if path == "/proc/cpuinfo":
        return "".join(line + "\n" for line in text.split("\n\n")[0].splitlines() if _CPU.match(line))
    if path == "/proc/meminfo":
        return "".join(line + "\n" for line in text.splitlines() if line.startswith("MemTotal"))
    if path == "/proc/self/mountinfo":
        rows = (line for line in text.splitlines() if " - cgroup" in line or line.split()[4] == "/")
        text = "".join(re.sub(r"(upperdir|workdir|lowerdir)=[^,\s]*", r"\1=layers", row) + "\n" for row in rows)
    elif path.endswith("/uevent"):
        text = "".join(line + "\n" for line in text.splitlines() if re.match(r"DRIVER|PCI_CLASS|PCI_ID", line))
    return _JOB.sub("group", _ADDRESS.sub("0000:00:04.0", text))


def nvml_lines() -> list[str]:
    """Return what NVML says, by the keys of RecordedNvml."""
    import pynvml as nvml

    try:
        nvml.nvmlInit()
    except nvml.NVMLError_LibraryNotFound:
        return []
    except nvml.NVMLError as error:
        return ["", "[nvml]", f'init = "{type(error).__name__.removeprefix("NVMLError_")}"']
    lines = ["", "[nvml]", f"driver = {_toml(nvml.nvmlSystemGetDriverVersion())}"]
    lines.append(f"cuda = {nvml.nvmlSystemGetCudaDriverVersion_v2()}")
    for index in range(nvml.nvmlDeviceGetCount()):
        device = nvml.nvmlDeviceGetHandleByIndex(index)
        lines += ["", "[[nvml.devices]]", *_device(nvml, device)]
        for place in range(nvml.nvmlDeviceGetMaxMigDeviceCount(device) if _mig(nvml, device) else 0):
            with contextlib.suppress(nvml.NVMLError):
                part = nvml.nvmlDeviceGetMigDeviceHandleByIndex(device, place)
                about = nvml.nvmlDeviceGetAttributes(part)
                keys = ("multiprocessorCount", "gpuInstanceSliceCount", "computeInstanceSliceCount", "memorySizeMB")
                table = ", ".join(f"{key} = {getattr(about, key)}" for key in keys)
                lines += ["", "[[nvml.devices.slices]]", *_device(nvml, part), f"attributes = {{ {table} }}"]
    nvml.nvmlShutdown()
    return lines


def _mig(nvml: Any, device: Any) -> bool:
    with contextlib.suppress(nvml.NVMLError):
        return bool(nvml.nvmlDeviceGetMigMode(device)[0])
    return False


def _device(nvml: Any, device: Any) -> list[str]:
    asked: dict[str, Callable[[], Any]] = {
        "name": lambda: nvml.nvmlDeviceGetName(device),
        "memory": lambda: nvml.nvmlDeviceGetMemoryInfo(device).total,
        "compute_capability": lambda: list(nvml.nvmlDeviceGetCudaComputeCapability(device)),
        "cores": lambda: nvml.nvmlDeviceGetNumGpuCores(device),
        "ecc": lambda: nvml.nvmlDeviceGetEccMode(device)[0],
        "mig": lambda: nvml.nvmlDeviceGetMigMode(device)[0],
    }
    lines = []
    for key, ask in asked.items():
        with contextlib.suppress(nvml.NVMLError):
            lines.append(f"{key} = {_toml(ask())}")
    return lines


def _toml(value: Any) -> str:
    value = value.decode() if isinstance(value, bytes) else value
    if isinstance(value, str) and "\n" in value.rstrip("\n"):
        return f'"""\n{value}"""'
    return f'"{value.strip()}"' if isinstance(value, str) else str(value)


def main() -> None:
    host = Recorder()
    observe_machine(host)
    lines = ['about = ""', 'source = "recorded"']
    lines += [f"{key} = {_toml(getattr(host, key))}" for key in ("system", "architecture", "libc")]
    lines += [f"affinity = {host.affinity()}", f"threads = {host.threads()}"]
    lines.append(f"nodes = [{', '.join(_toml(node) for node in sorted(host.nodes))}]")
    lines += ["", "[files]"]
    for path, text in sorted(host.files.items()):
        if not path.startswith("/sys/bus/pci/") or "0x10de" in host.files.get(path.rsplit("/", 1)[0] + "/vendor", ""):
            shown = _JOB.sub("group", _ADDRESS.sub("0000:00:04.0", path))
            lines.append(f'"{shown}" = {_toml(redacted(path, text))}')
    sys.stdout.write("\n".join([*lines, *nvml_lines()]) + "\n")


if __name__ == "__main__":
    main()
