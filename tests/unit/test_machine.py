"""What is observed of recorded machines, and what `envlock init` suggests for them."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

import envlock
from envlock.adapters.machine import observe_machine
from envlock.formats.cgroups import limits_of
from envlock.formats.cpuinfo import parse_cpuinfo
from envlock.model.gpu_name import is_slice, means, product_model
from envlock.model.hardware import parse_hardware
from envlock.model.machine import Accelerators, Cpu, Machine
from envlock.model.unknown import Unknown
from envlock.operations.init import suggested_class
from tests.unit.machines import FOLDER, NAMES, RecordedHost, RecordedNvml, recorded, replay

GIB = 1 << 30
LIBRARY = (
    "Install NVIDIA's driver with its library libnvidia-ml.so.1, or let the container have it "
    "(NVIDIA Container Toolkit)."
)


def cpu_line(name: str) -> str:
    cpu = replay(name).cpu
    assert isinstance(cpu, Cpu)
    return f"{cpu.vendor}, {cpu.model}, {cpu.level}, {cpu.usable} of {cpu.threads}"


def devices_of(name: str) -> Accelerators:
    found = replay(name).accelerators
    assert isinstance(found, Accelerators)
    return found


def unknown_of(name: str) -> Unknown:
    found = replay(name).accelerators
    assert isinstance(found, Unknown)
    return found


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("haswell", "GenuineIntel, Intel(R) Xeon(R) CPU E5-2680 v3 @ 2.50GHz, x86-64-v3, 8 of 24"),
        ("skylake-x", "GenuineIntel, Intel(R) Xeon(R) Gold 6132 CPU @ 2.60GHz, x86-64-v4, 40 of 40"),
        ("sapphire-rapids", "GenuineIntel, Intel(R) Xeon(R) Platinum 8480+, x86-64-v4, 112 of 112"),
        ("zen2", "AuthenticAMD, AMD EPYC 7742 64-Core Processor, x86-64-v3, 256 of 256"),
        ("zen3", "AuthenticAMD, AMD Ryzen 9 5950X 16-Core Processor, x86-64-v3, 16 of 16"),
        ("zen4", "AuthenticAMD, AMD EPYC 9654 96-Core Processor, x86-64-v4, 192 of 192"),
        ("k10", "AuthenticAMD, AMD Opteron(tm) Processor 6136, x86-64, 4 of 4"),
        ("masked-vm", "AuthenticAMD, QEMU Virtual CPU version 2.5+, x86-64-v2, 2 of 2"),
        ("neoverse-n1", "ARM, Neoverse-N1, armv8.2a, 4 of 4"),
        ("neoverse-v1", "ARM, Neoverse-V1, armv8.4a, 8 of 8"),
        ("neoverse-v2", "ARM, Neoverse-V2, armv9.0a, 72 of 72"),
        ("apple-m1", "Apple, Apple M1 Pro, armv8.5a, 8 of 8"),
        ("apple-m4", "Apple, Apple M4 Max, armv8.6a, 16 of 16"),
        ("mac-haswell", "GenuineIntel, Intel(R) Core(TM) i7-4980HQ CPU @ 2.80GHz, x86-64-v3, 8 of 8"),
        ("windows", "GenuineIntel, Intel(R) Core(TM) i7-1065G7 CPU @ 1.30GHz, x86-64-v4, 8 of 8"),
        ("container", "AuthenticAMD, AMD EPYC 9654 96-Core Processor, x86-64-v4, 2 of 64"),
    ],
)
def test_cpu(name: str, expected: str) -> None:
    """Vendor, model, the level that the visible features reach, and how many threads programs get."""
    assert cpu_line(name) == expected


@pytest.mark.parametrize(
    ("name", "gib"),
    [("haswell", 32.0), ("container", 8.0), ("zen4", 754.9), ("apple-m4", 64.0), ("windows", 15.9)],
)
def test_memory(name: str, gib: float) -> None:
    """What is built in, or the lowest limit of the control groups above this process: of a job, of a container."""
    memory = replay(name).memory
    assert isinstance(memory, int)
    assert round(memory / GIB, 1) == gib


def test_limits_that_cannot_be_read_are_unknown() -> None:
    """A control group that hides its files may limit anything."""
    machine = replay("container-unseen")
    reason = "the limits of its control group cannot be read (Permission denied)"
    assert machine.memory == Unknown(reason=reason)
    assert isinstance(machine.cpu, Cpu)
    assert machine.cpu.quota is None
    assert machine.cpu.quota_unseen == Unknown(reason=reason)


# --- accelerators ----------------------------------------------------------------------------------------------------


def test_one_a100() -> None:
    """All that NVML tells of a device, its multiprocessors by its cores."""
    found = devices_of("a100")
    assert (found.driver, found.cuda, found.idle) == ("535.129.03", "12.2", 0)
    assert [msgspec.to_builtins(device) for device in found.devices] == [
        {
            "kind": "nvidia",
            "name": "NVIDIA A100-SXM4-40GB",
            "model": "A100",
            "memory": 40 * GIB,
            "compute_capability": "8.0",
            "multiprocessors": 108,
            "mig": False,
            "mig_profile": "",
            "ecc": True,
        }
    ]


def test_eight_h100() -> None:
    """Each device is one."""
    found = devices_of("h100-8").devices
    assert [(device.model, device.multiprocessors, device.compute_capability) for device in found] == [
        ("H100", 132, "9.0")
    ] * 8


@pytest.mark.parametrize(
    ("name", "model", "multiprocessors", "mib"), [("t4", "T4", 40, 15360), ("v100", "V100", 0, 16160)]
)
def test_what_an_old_driver_does_not_know_is_left_out(name: str, model: str, multiprocessors: int, mib: int) -> None:
    """A driver without MIG and cores still tells the rest."""
    found = devices_of(name).devices[0]
    assert (found.model, found.multiprocessors, found.memory, found.mig) == (model, multiprocessors, mib << 20, False)


def test_slices() -> None:
    """The slices of a divided device are the devices; a name that NVML does not tell comes of their attributes."""
    found = devices_of("a100-mig").devices
    assert [(one.name, one.mig_profile, one.multiprocessors) for one in found] == [
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", "1g.5gb", 14),
        ("NVIDIA A100-SXM4-40GB MIG 3g.20gb", "3g.20gb", 42),
    ]
    assert {one.model for one in found} == {"A100"}


def test_divided_into_nothing() -> None:
    """A device in MIG mode without a slice is told as divided: programs see none of it."""
    (found,) = devices_of("a100-mig-empty").devices
    assert (found.mig, found.mig_profile) == (True, "")


@pytest.mark.parametrize(
    "name", ["container", "zen3", "haswell", "neoverse-v1", "apple-m1", "mac-haswell", "windows", "masked-vm"]
)
def test_known_to_have_none(name: str) -> None:
    """No device: none in a container that was given none, on a Mac, or on Windows without NVIDIA's library."""
    assert replay(name).accelerators == Accelerators()


def test_a_display_without_nvidias_driver_is_no_accelerator() -> None:
    """Programs cannot compute on it; that it is there is told."""
    assert replay("nouveau").accelerators == Accelerators(idle=1)


def test_nothing_is_loaded_where_no_device_is() -> None:
    """Without a device NVML is not even asked."""
    host, _ = recorded("zen3")
    assert isinstance(observe_machine(host, object()).accelerators, Accelerators)


@pytest.mark.parametrize(
    ("name", "reason", "hint"),
    [
        (
            "no-library",
            "an NVIDIA device is there, but NVML says: NVML Shared Library Not Found",
            LIBRARY,
        ),
        (
            "driver-not-loaded",
            "an NVIDIA device is there, but NVML says: Driver Not Loaded",
            "Load NVIDIA's kernel driver: modprobe nvidia.",
        ),
        (
            "nvml-lost",
            "NVML failed while it told of the NVIDIA devices: GPU is lost",
            "A device has fallen off its bus: restart the machine.",
        ),
    ],
)
def test_unknown_accelerators(name: str, reason: str, hint: str) -> None:
    """A device that cannot be asked, or an NVML that fails midway, leaves all unknown, with the way out."""
    assert unknown_of(name) == Unknown(reason=reason, hint=hint)


@pytest.mark.parametrize("key", ["name", "handle"])
@pytest.mark.parametrize("error", ["UNKNOWN", "GPU_IS_LOST", "TIMEOUT", "RESET_REQUIRED", "UNINITIALIZED"])
def test_no_failure_of_nvml_is_a_machine_without_gpu(key: str, error: str) -> None:
    """Whatever fails, and wherever: unknown, and the library is closed."""
    host, nvml = recorded("h100-8")
    assert nvml.said is not None
    devices = nvml.said["devices"]
    broken = RecordedNvml({**nvml.said, "devices": [*devices, {"name": "NVIDIA L4", key: error}]})
    assert isinstance(observe_machine(host, broken).accelerators, Unknown)
    assert broken.open == 0


@pytest.mark.parametrize("key", ["memory", "compute_capability", "cores", "ecc", "mig", "cuda"])
def test_what_a_device_does_not_support_is_left_out(key: str) -> None:
    """NOT_SUPPORTED is an answer: the rest of the device stays known."""
    host, nvml = recorded("a100")
    assert nvml.said is not None
    device = {name: value for name, value in nvml.said["devices"][0].items() if name != key}
    said = {name: value for name, value in nvml.said.items() if name != key}
    found = observe_machine(host, RecordedNvml({**said, "devices": [device]})).accelerators
    assert isinstance(found, Accelerators)
    assert found.devices[0].model == "A100"


def test_a_driver_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call into a driver that hangs is not waited for: unknown, with the rest of the machine."""
    host, nvml = recorded("a100")
    free = threading.Event()
    monkeypatch.setattr("envlock.adapters.machine._SECONDS", 0.05)
    monkeypatch.setattr(nvml, "nvmlInit", free.wait)
    machine = observe_machine(host, nvml)
    free.set()
    assert isinstance(machine.accelerators, Unknown)
    assert "no driver answered" in machine.accelerators.reason
    assert isinstance(machine.cpu, Cpu)


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), AttributeError("nvmlInit"), ValueError("x")])
def test_whatever_a_library_raises_is_unknown(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """A binding or library of another release fails in ways of its own: no traceback, and no machine without GPU."""
    host, nvml = recorded("a100")

    def raises() -> None:
        raise error

    monkeypatch.setattr(nvml, "nvmlSystemGetDriverVersion", raises)
    assert isinstance(observe_machine(host, nvml).accelerators, Unknown)
    assert nvml.open == 0


def test_bytes_of_an_old_binding() -> None:
    """Text that NVML's older bindings give as bytes."""
    host, nvml = recorded("a100")
    assert nvml.said is not None
    old = RecordedNvml({**nvml.said, "driver": b"470.57.02", "devices": [{"name": b"Tesla T4"}]})
    found = observe_machine(host, old).accelerators
    assert isinstance(found, Accelerators)
    assert (found.driver, found.devices[0].model) == ("470.57.02", "T4")


def test_amd_devices_of_this_container() -> None:
    """Of two devices in the topology the one with a render node here, as its product is called."""
    found = devices_of("mi300x")
    (device,) = found.devices
    assert (device.kind, device.name, device.model) == ("amd", "AMD Instinct MI300X OAM", "MI300X")
    assert (device.compute_capability, device.multiprocessors, found.driver) == ("gfx942", 304, "6.8.5")


def test_amd_without_its_compute_device_has_none() -> None:
    """ROCm reaches a device through /dev/kfd alone."""
    host, nvml = recorded("mi300x")
    bare = RecordedHost({**host.said, "nodes": ["/dev/dri/renderD128"]})
    assert observe_machine(bare, nvml).accelerators == Accelerators()


# --- what is hidden or broken ----------------------------------------------------------------------------------------


def test_no_proc() -> None:
    """Without /proc nothing is known of the CPU, and that is said."""
    host, nvml = recorded("zen3")
    bare = RecordedHost({**host.said, "files": {}})
    machine = observe_machine(bare, nvml)
    assert machine.cpu == Unknown(reason="there is no /proc/cpuinfo", hint="Mount /proc.")
    assert machine.memory == Unknown(reason="the system does not say how much memory there is")


def test_no_feature_is_told_that_one_processor_lacks() -> None:
    """Of processors of two kinds only what all of them have counts: a thread may run on any."""
    text = "processor: 0\nflags: lm sse2 avx avx512f\n\nprocessor: 1\nflags: lm sse2 avx\n"
    assert parse_cpuinfo(text, "x86_64").features == ("avx", "lm", "sse2")


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files_raise_nothing(name: str) -> None:
    """Whatever the files hold, there is a machine, and what cannot be read of it is unknown."""
    host, nvml = recorded(name)
    for path in host.files:
        for text in ("", "garbage", "max\n", "-1", "0::", "1 2 3 - \n", "0-\n", "simd_count x\n", "9" * 30):
            broken = RecordedHost({**host.said, "files": {**host.files, path: text}})
            assert isinstance(observe_machine(broken, nvml), Machine)
        hidden = RecordedHost({**host.said, "unreadable": [path]})
        assert isinstance(observe_machine(hidden, nvml), Machine)


def files(said: dict[str, str]) -> Any:
    return said.get


@pytest.mark.parametrize(
    ("group", "root", "tree", "expected"),
    [
        ("0::/a/b", "/", {"a/b": "max 100000", "a": "150000 100000", "": None}, 1.5),
        ("0::/a/b", "/", {"a/b": "400000 100000", "a": "150000 100000"}, 1.5),
        ("0::/a/b", "/a", {"b": "50000 100000"}, 0.5),
        ("0::/a/b", "/other", {"": "200000 100000"}, 2.0),
        ("0::/", "/", {}, None),
        ("0::/../..", "/", {"": "100000 100000"}, 1.0),
        ("0::/a", "/", {"a": "max"}, None),
    ],
)
def test_quotas(group: str, root: str, tree: dict[str, str | None], expected: float | None) -> None:
    """The lowest quota from the group of this process up to the root that is mounted here."""
    said = {
        "/proc/self/cgroup": group + "\n",
        "/proc/self/mountinfo": f"30 1 0:26 {root} /cg rw - cgroup2 cgroup2 rw\n",
        **{"/".join(filter(None, ("/cg", path, "cpu.max"))): text for path, text in tree.items() if text is not None},
    }
    assert limits_of(files(said)).cpus == expected


def test_a_group_that_is_not_mounted_is_unknown() -> None:
    """A process in a group whose files are nowhere may be limited; one in the root group is not."""
    inside = {"/proc/self/cgroup": "0::/job\n", "/proc/self/mountinfo": "22 1 0:21 / /proc rw - proc proc rw\n"}
    assert isinstance(limits_of(files(inside)).memory, Unknown)
    assert limits_of(files({**inside, "/proc/self/cgroup": "0::/\n"})).memory is None


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("product", "model"),
    [
        ("NVIDIA A100-SXM4-40GB", "A100"),
        ("NVIDIA A100 80GB PCIe", "A100"),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", "A100"),
        ("Tesla V100-SXM2-16GB", "V100"),
        ("Tesla T4", "T4"),
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("NVIDIA GeForce RTX 3080 Laptop GPU", "RTX 3080 Laptop"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA H200 NVL", "H200"),
        ("NVIDIA GH200 480GB", "GH200"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada"),
        ("AMD Instinct MI300X OAM", "MI300X"),
        ("AMD Radeon RX 7900 XTX", "RX 7900 XTX"),
    ],
)
def test_product_model(product: str, model: str) -> None:
    """The model without maker, form and memory."""
    assert product_model(product) == model


@pytest.mark.parametrize(
    ("wanted", "product", "expected"),
    [
        ("A100", "NVIDIA A100-SXM4-40GB", True),
        ("a100-sxm4-40gb", "NVIDIA A100-SXM4-40GB", True),
        ("A100 80GB", "NVIDIA A100-SXM4-80GB", True),
        ("A100 80 GB", "NVIDIA A100 80GB PCIe", True),
        ("A100 80GB", "NVIDIA A100-SXM4-40GB", False),
        ("A10", "NVIDIA A100-SXM4-40GB", False),
        ("A100", "NVIDIA A10", False),
        ("L4", "NVIDIA L40S", False),
        ("Tesla V100", "Tesla V100-SXM2-16GB", True),
        ("RTX 3080", "NVIDIA GeForce RTX 3080", True),
        ("RTX 3080", "NVIDIA GeForce RTX 3080 Ti", False),
        ("RTX 3080", "NVIDIA GeForce RTX 3080 Laptop GPU", False),
        ("RTX 3080 Laptop GPU", "NVIDIA GeForce RTX 3080 Laptop GPU", True),
        ("RTX 6000", "NVIDIA RTX 6000 Ada Generation", False),
        ("H100 PCIe", "NVIDIA H100 80GB HBM3", False),
        ("H100 PCIe", "NVIDIA H100 PCIe", True),
        ("A100 MIG 1g.5gb", "NVIDIA A100-SXM4-40GB MIG 1g.5gb", True),
        ("A100 MIG", "NVIDIA A100-SXM4-40GB MIG 3g.20gb", True),
        ("A100 MIG", "NVIDIA A100-SXM4-40GB", False),
        ("MI300X", "AMD Instinct MI300X OAM", True),
        ("MI250X", "AMD Instinct MI250X/MI250", True),
    ],
)
def test_names_of_products(wanted: str, product: str, expected: bool) -> None:
    """A class names products by words, and never a bigger one of the same number."""
    assert means(wanted, product) is expected
    assert is_slice(wanted) is ("MIG" in wanted)


# --- suggestions and this machine ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "suggested", "accelerator"),
    [
        ("a100", "a100", "kind nvidia, models A100, count >=1, memory-gib >=40, driver >=535"),
        ("v100", "v100", "kind nvidia, models V100, count >=1, memory-gib >=15, driver >=418"),
        ("a100-mig", "a100-mig-1g-5gb", None),
        ("mi300x", "mi300x", "kind amd, models MI300X, count >=1, memory-gib >=191"),
        ("zen3", "cpu", "kind none"),
        ("nvml-lost", "cpu", None),
    ],
)
def test_suggested_class(name: str, suggested: str, accelerator: str | None) -> None:
    """A class by the accelerator's model; of what could not be seen it says nothing."""
    machine = replay(name)
    given, found = suggested_class(machine)
    assert given == suggested
    if accelerator is not None:
        table = {key: value for key, value in msgspec.to_builtins(found.accelerator).items() if value}
        words = (f"{key} {' '.join(value) if isinstance(value, tuple) else value}" for key, value in table.items())
        assert ", ".join(words) == accelerator
    if name == "nvml-lost":
        assert found.accelerator is None


@pytest.mark.parametrize("name", NAMES)
def test_suggestions_are_normalised_classes(name: str) -> None:
    """Whatever a machine is, its class is one that a manifest may hold."""
    given, found = suggested_class(replay(name))
    table = {key: value for key, value in msgspec.to_builtins(found).items() if value}
    if "accelerator" in table:
        table["accelerator"] = {key: value for key, value in table["accelerator"].items() if value}
    assert parse_hardware(given, table, "envlock.toml") == found


def test_this_machine() -> None:
    """Whatever machine the tests run on has a CPU and memory."""
    machine = observe_machine()
    assert isinstance(machine.cpu, Cpu)
    assert machine.cpu.threads >= machine.cpu.usable >= 1
    assert isinstance(machine.memory, int | Unknown)


def test_recordings_say_of_nobody_whose_they_are() -> None:
    """No address, serial number, UUID or path of a user is in a recording."""
    secret = re.compile(
        r"[0-9a-f]{2}(:[0-9a-f]{2}){5}|GPU-[0-9a-f]|[0-9a-f]{32}|serial\b|uuid|/home/|/root/", re.IGNORECASE
    )
    for path in FOLDER.glob("*.toml"):
        assert secret.search(path.read_text("utf-8")) is None, path.name


def test_manifests_are_read_without_archspec() -> None:
    """It costs a second of a slow machine: only Windows asks it, for the features of its CPU."""
    package = Path(envlock.__file__).parent
    users = {
        path.name
        for path in package.rglob("*.py")
        if "import archspec" in (text := path.read_text("utf-8")) or "from archspec" in text
    }
    assert users == {"host.py"}
