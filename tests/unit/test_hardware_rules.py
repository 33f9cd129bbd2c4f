"""What the rules of hardware say of recorded machines, with and without a class that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from envlock.errors import UsageError
from envlock.formats.cpuinfo import cpu_of
from envlock.formats.pylock import write_lock
from envlock.model.finding import Verdict
from envlock.model.hardware import Facts, parse_hardware
from envlock.model.lock import Cuda, LockFile, Policy
from envlock.model.machine import Accelerator, Accelerators, Cpu, Machine
from envlock.model.observation import Environment, Interpreter, Layout, Observation
from envlock.model.terms import Terms
from envlock.model.unknown import Unknown
from envlock.verify.case import Case
from envlock.verify.hardware import answers, check_class_name, classes_of, standing
from envlock.verify.judgement import verdict_of
from tests.unit.machines import NAMES, replay
from tests.unit.venvs import lock_of

A100: dict[str, Any] = {
    "cpu-level": ">=x86-64-v3",
    "memory-gib": ">=64",
    "accelerator": {"kind": "nvidia", "models": ["A100", "V100"], "memory-gib": ">=16", "driver": ">=450.80.02"},
}
EPYC = "AMD EPYC 9654 96-Core Processor"
H100 = "NVIDIA H100 80GB HBM3"
LOST = "NVML failed while it told of the NVIDIA devices: GPU is lost"
UNSEEN = "the limits of its control group cannot be read (Permission denied)"
LAPTOP: dict[str, Any] = {"accelerator": {"kind": "none"}}
CUDA_12 = Facts(
    cuda="12.1",
    gpu_targets=("sm_70", "sm_75", "sm_80", "sm_86", "sm_90"),
    minimum_driver="525.60.13",
    sources={"gpu-targets": "torch 2.1.0"},
)


def lock(
    classes: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    policy: Policy = "numeric",
    facts: Facts | None = None,
    cuda: Cuda | None = None,
) -> LockFile:
    hardware = {name: parse_hardware(name, table, "envlock.toml") for name, table in (classes or {}).items()}
    made = replace(lock_of(policy=policy).lock, hardware=hardware, facts=facts or Facts(), cuda=cuda)
    return LockFile(lock=made, raw=write_lock(made))


def interpreter(libc: str, version: str = "3.11.4") -> Interpreter:
    return Interpreter(implementation="cpython", version=version, system="linux", machine="x86_64", libc=libc)


def verdict(lock_file: LockFile, machine: Machine | Unknown | None, *, on: str = "", libc: str = "") -> Verdict:
    layout = Layout(prefix="/venv", sites=("/venv/site",), scripts="/venv/bin", data="/venv")
    environment = Environment(interpreter=interpreter(libc), layout=layout, distributions=(), files={})
    observation = Observation(target=".venv", full=False, environment=environment, machine=machine)
    return verdict_of(Case(lock_file, observation, terms=Terms(on=on), subject="demo"))


def rows(found: Verdict) -> list[str]:
    return [f"{one.severity} {one.nature} {one.rule}: {one.expected} | {one.found}" for one in found.findings]


# --- without a class that is asked for -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_without_classes_says_nothing_of_hardware(name: str) -> None:
    """No classes and no facts: whatever the machine is, it is right."""
    found = verdict(lock(), replay(name))
    assert rows(found) == []
    assert (found.exit_code, found.summary.hardware) == (0, "")


@pytest.mark.parametrize(
    ("name", "told"),
    [("a100", "class a100"), ("zen3", "class laptop"), ("container", "class laptop")],
)
def test_the_summary_names_the_class(name: str, told: str) -> None:
    """A machine of one of the classes is told, and nothing else."""
    found = verdict(lock({"a100": A100, "laptop": LAPTOP}, policy="bitwise"), replay(name))
    assert rows(found) == []
    assert found.summary.hardware == told


@pytest.mark.parametrize(("policy", "code"), [("numeric", 0), ("compatible", 0), ("bitwise", 1)])
def test_a_laptop_against_a_class_of_gpus(policy: Policy, code: int) -> None:
    """None of the classes: a warning that says why, and drift under the policy bitwise alone."""
    found = verdict(lock({"a100": A100}, policy=policy), replay("zen3"))
    severity = "error" if code else "warning"
    assert rows(found) == [f"{severity} drift hardware-class: class a100 | a100: accelerator nvidia, found none"]
    assert found.exit_code == code
    assert found.summary.hardware == "none of the classes a100"
    assert found.findings[0].fix == "envlock verify demo --on a100"


def test_every_class_is_told() -> None:
    """Of each class the first thing that differs."""
    told = "a100: memory >=64 GiB, found 14.7 GiB; laptop: accelerator none, found Tesla T4"
    found = verdict(lock({"a100": A100, "laptop": LAPTOP}), replay("t4"))
    assert rows(found) == [f"warning drift hardware-class: class a100 or laptop | {told}"]


def test_nvml_that_fails_midway_is_exit_3() -> None:
    """It may be of the class and may not: never a pass, with the reason and the next step."""
    found = verdict(lock({"a100": A100, "laptop": LAPTOP}), replay("nvml-lost"))
    assert rows(found) == [
        f"error unknown hardware-class: class a100 or laptop | a100: {LOST}; laptop: {LOST}",
    ]
    assert found.findings[0].fix == "A device has fallen off its bus: restart the machine."
    assert (found.exit_code, found.summary.hardware) == (3, "of no known class a100, laptop")


def test_what_is_unknown_does_not_matter_where_another_thing_differs() -> None:
    """A machine with too little memory is no a100, whatever NVML would say."""
    machine = replace(replay("nvml-lost"), memory=1 << 30)
    found = verdict(lock({"a100": A100}), machine)
    assert rows(found) == ["warning drift hardware-class: class a100 | a100: memory >=64 GiB, found 1.0 GiB"]


def test_a_machine_that_was_not_looked_at() -> None:
    """An image runs nowhere yet: nothing is said unless a class is asked for, and then it is exit 3."""
    classes = lock({"a100": A100})
    assert rows(verdict(classes, None)) == []
    found = verdict(classes, None, on="a100")
    assert found.exit_code == 3
    assert rows(found) == [
        "error unknown hardware-class: class a100 | no machine was looked at: an image runs nowhere yet"
    ]
    assert verdict(classes, Unknown(reason="the Engine is on another machine")).exit_code == 3


# --- with one --------------------------------------------------------------------------------------------------------


def test_the_class_that_is_asked_for() -> None:
    """Every constraint is met: a match."""
    found = verdict(lock({"a100": A100, "laptop": LAPTOP}), replay("a100"), on="a100")
    assert rows(found) == []
    assert found.summary.hardware == "class a100"


def on(table: Mapping[str, Any], machine: str | Machine) -> list[str]:
    seen = replay(machine) if isinstance(machine, str) else machine
    return rows(verdict(lock({"it": table}), seen, on="it"))


def gpu(**keys: Any) -> dict[str, Any]:
    return {"accelerator": {"kind": "nvidia", **{key.replace("_", "-"): value for key, value in keys.items()}}}


@pytest.mark.parametrize(
    ("table", "machine", "expected"),
    [
        ({"cpu-level": ">=x86-64-v3"}, "haswell", []),
        ({"cpu-level": ">=x86-64-v3"}, "zen3", []),
        (
            {"cpu-level": ">=x86-64-v4"},
            "zen3",
            [
                "error drift cpu-level: >=x86-64-v4 | x86-64-v3 (AMD Ryzen 9 5950X 16-Core Processor)",
            ],
        ),
        ({"cpu-level": "==x86-64-v3"}, "zen4", [f"error drift cpu-level: ==x86-64-v3 | x86-64-v4 ({EPYC})"]),
        ({"cpu-level": ">=x86-64"}, "neoverse-v1", ["error drift cpu-level: >=x86-64 | armv8.4a (Neoverse-V1)"]),
        ({"cpu-level": ">=armv8.6a"}, "neoverse-v2", []),
        ({"cpu-level": ">=x86-64-v2"}, "masked-vm", []),
        ({"cpu-features": ["avx2", "sse3", "pni"]}, "zen3", []),
        (
            {"cpu-features": ["avx2", "amx_tile"]},
            "zen4",
            [f"error drift cpu-features: amx_tile avx2 | without amx_tile ({EPYC})"],
        ),
        ({"cpus": ">=8"}, "haswell", []),
        ({"cpus": ">=16"}, "haswell", ["error drift cpu-count: >=16 | 8 of 24"]),
        ({"cpus": "==2"}, "container", []),
        ({"cpus": "==8"}, "container-unseen", [f"error unknown cpu-count: ==8 | {UNSEEN}"]),
        ({"cpus": ">=65"}, "container-unseen", ["error drift cpu-count: >=65 | at most 64"]),
        ({"memory-gib": ">=64"}, "zen3", []),
        ({"memory-gib": ">=16"}, "windows", []),
        ({"memory-gib": ">=16"}, "container", ["error drift memory-size: >=16 GiB | 8.0 GiB"]),
        ({"memory-gib": "<64"}, "zen4", ["error drift memory-size: <64 GiB | 754.9 GiB"]),
        ({"memory-gib": ">=1"}, "container-unseen", [f"error unknown memory-size: >=1 GiB | {UNSEEN}"]),
        (LAPTOP, "zen3", []),
        (LAPTOP, "apple-m1", []),
        (LAPTOP, "ryzen-laptop", []),
        (LAPTOP, "nouveau", []),
        (LAPTOP, "t4", ["error drift accelerator-kind: none | Tesla T4"]),
        (LAPTOP, "h100-8", [f"error drift accelerator-kind: none | 8 x {H100}"]),
        (gpu(), "nouveau", ["error drift accelerator-kind: nvidia | none, and 1 NVIDIA device without a driver"]),
        (gpu(), "mi300x", ["error drift accelerator-kind: nvidia | AMD Instinct MI300X OAM"]),
        ({"accelerator": {"kind": "amd", "models": ["MI300X"], "memory-gib": ">=192", "count": "==1"}}, "mi300x", []),
        (gpu(models=["A100"], count=">=8"), "nvml-lost", [f"error unknown accelerator-kind: nvidia | {LOST}"]),
        (gpu(models=["A100", "V100"]), "h100-8", [f"error drift accelerator-model: A100 or V100 | 8 x {H100}"]),
        (gpu(count=">=8"), "h100-8", []),
        (gpu(count="==1"), "h100-8", ["error drift accelerator-count: ==1 | 8"]),
        (gpu(memory_gib=">=16"), "t4", []),
        (gpu(memory_gib=">=16"), "v100", []),
        (gpu(memory_gib=">=18"), "v100", ["error drift accelerator-memory: >=18 GiB | 2 x 15.8 GiB"]),
        (gpu(memory_gib="==80"), "h100-8", []),
        (gpu(memory_gib=">=80"), "a100", ["error drift accelerator-memory: >=80 GiB | 40.0 GiB"]),
        (gpu(compute_capability=">=8.0"), "t4", ["error drift accelerator-capability: >=8.0 | 7.5"]),
        (gpu(compute_capability=">=8.0,<9.0"), "a100", []),
        (gpu(driver=">=525"), "v100", ["error drift accelerator-driver: >=525 | 418.67"]),
        (gpu(driver=">=525.105.17"), "t4", []),
        (gpu(models=["A100"]), "a100-mig", ["error drift accelerator-mig: whole devices | MIG 1g.5gb, MIG 3g.20gb"]),
        (gpu(models=["A100 MIG"], count=">=2"), "a100-mig", []),
        (gpu(models=["A100 MIG 1g.5gb"], count="==1"), "a100-mig", []),
        (gpu(count=">=1"), "a100-mig", []),
        (gpu(), "a100-mig-empty", ["error drift accelerator-mig: a device or a slice of one | MIG without any slice"]),
    ],
)  # fmt: skip
def test_each_constraint_has_its_rule(table: dict[str, Any], machine: str, expected: list[str]) -> None:
    """What differs is told by the rule of the constraint, and by no other."""
    assert on(table, machine) == expected


def with_devices(*devices: Accelerator, driver: str = "535.129.03") -> Machine:
    return replace(replay("zen3"), accelerators=Accelerators(devices=devices, driver=driver))


def device(name: str, model: str, **keys: Any) -> Accelerator:
    return Accelerator(kind="nvidia", name=name, model=model, **keys)


def test_a_display_beside_the_gpu_does_not_count() -> None:
    """Of two devices the one that is asked for is judged."""
    display = device("NVIDIA T400", "T400", memory=4 << 30, compute_capability="7.5")
    big = device("NVIDIA A100 80GB PCIe", "A100", memory=80 << 30, compute_capability="8.0")
    machine = with_devices(display, big)
    wanted = {"models": ["A100"], "memory_gib": ">=80", "compute_capability": ">=8.0"}
    assert on(gpu(**wanted, count="==1"), machine) == []
    assert on(gpu(**wanted, count=">=2"), machine) == ["error drift accelerator-count: >=2 | 1 of 2"]


def test_what_a_device_does_not_say_is_unknown() -> None:
    """A device that does not tell its memory may have enough."""
    silent, loud = device("NVIDIA L4", "L4"), device("NVIDIA L4", "L4", memory=23034 << 20)
    assert on(gpu(memory_gib=">=24"), with_devices(silent)) == [
        "error unknown accelerator-memory: >=24 GiB | NVIDIA L4 does not say how much memory it has"
    ]
    assert on(gpu(memory_gib=">=24"), with_devices(silent, loud)) == []
    assert on(gpu(memory_gib=">=24", count=">=2"), with_devices(silent, loud)) == [
        "error unknown accelerator-count: >=2 | of 2 only 1 say what they are"
    ]
    assert on(gpu(driver=">=535"), with_devices(loud, driver="")) == [
        "error unknown accelerator-driver: >=535 | the driver does not say its version"
    ]


def test_everything_that_differs_is_told() -> None:
    """One finding for each constraint, each with what was found."""
    found = on({"cpu-level": ">=x86-64-v4", "cpus": ">=32", "memory-gib": ">=256", **gpu(models=["H100"])}, "t4")
    assert [row.split(":")[0] for row in found] == [
        "error drift accelerator-model",
        "error drift cpu-count",
        "error drift memory-size",
    ]


def test_an_unseen_cpu_is_unknown_to_each_constraint() -> None:
    """No /proc: exit 3 for all that was asked of the CPU."""
    machine = replace(replay("zen3"), cpu=Unknown(reason="there is no /proc/cpuinfo"))
    found = verdict(
        lock({"it": {"cpu-level": ">=x86-64-v3", "cpus": ">=4", "cpu-features": ["avx"]}}), machine, on="it"
    )
    assert sorted(one.rule for one in found.findings) == ["cpu-count", "cpu-features", "cpu-level"]
    assert found.exit_code == 3


def test_a_class_that_the_lock_does_not_name() -> None:
    """The error lists those that it names, and the nearest one."""
    made = lock({"a100": A100, "laptop": LAPTOP}).lock
    check_class_name(made, "a100")
    check_class_name(made, "")
    with pytest.raises(UsageError) as caught:
        check_class_name(made, "a1000")
    assert (caught.value.reference, caught.value.exit_code) == ("unknown-class", 2)
    assert caught.value.expected == "one of: a100, laptop"
    assert caught.value.hint == "Did you mean 'a100'?"
    with pytest.raises(UsageError, match="names no hardware class 'gpu'"):
        check_class_name(lock().lock, "gpu")


# --- facts of the locked wheels --------------------------------------------------------------------------------------


def test_a_driver_below_the_locked_cuda() -> None:
    """Where an NVIDIA device is there, its driver must serve the locked CUDA, class or not."""
    found = verdict(lock(facts=CUDA_12), replay("v100"))
    assert rows(found) == ["error drift accelerator-driver: >=525.60.13 (CUDA 12.1) | 418.67 (CUDA 10.1)"]
    assert found.exit_code == 1
    for name in ("a100", "zen3", "nouveau", "mi300x", "apple-m1", "windows"):
        assert rows(verdict(lock(facts=CUDA_12), replay(name))) == []


def test_an_old_driver_that_serves_the_locked_cuda() -> None:
    """With NVIDIA's compatibility package it tells the newer CUDA."""
    machine = replay("t4")
    assert isinstance(machine.accelerators, Accelerators)
    old = replace(machine, accelerators=replace(machine.accelerators, driver="470.57.02", cuda="12.2"))
    assert rows(verdict(lock(facts=CUDA_12), old)) == []


def test_a_driver_that_cannot_be_seen() -> None:
    """A device that NVML does not tell of leaves it open whether the locked CUDA runs: exit 3."""
    found = verdict(lock(facts=CUDA_12), replay("nvml-lost"))
    assert [(one.rule, one.nature) for one in found.findings] == [("accelerator-driver", "unknown")]
    assert found.exit_code == 3


def test_no_code_for_the_gpu() -> None:
    """A framework without code for any device: a warning, an error where a class is asked for."""
    k80 = with_devices(device("Tesla K80", "K80", compute_capability="3.7"))
    row = "drift accelerator-code: sm_70 sm_75 sm_80 sm_86 sm_90 (torch 2.1.0) | Tesla K80, sm_37"
    assert rows(verdict(lock(facts=CUDA_12), k80)) == [f"warning {row}"]
    assert rows(verdict(lock({"it": gpu()}, facts=CUDA_12), k80, on="it")) == [f"error {row}"]
    both = with_devices(
        device("Tesla K80", "K80", compute_capability="3.7"), device("L4", "L4", compute_capability="8.9")
    )
    assert rows(verdict(lock(facts=CUDA_12), both)) == []
    silent = verdict(lock(facts=CUDA_12), with_devices(device("Tesla K80", "K80")))
    assert [(one.rule, one.nature) for one in silent.findings] == [("accelerator-code", "unknown")]


def test_amd_devices_count_where_rocm_is_locked() -> None:
    """A display of AMD's is an accelerator to a lock with ROCm alone."""
    rocm = Facts(rocm="6.2", gpu_targets=("gfx90a", "gfx942"), sources={"gpu-targets": "torch 2.5.0+rocm6.2"})
    found = verdict(lock({"laptop": LAPTOP}, facts=rocm), replay("ryzen-laptop"))
    assert [one.rule for one in found.findings] == ["hardware-class", "accelerator-code"]
    assert rows(verdict(lock(facts=rocm), replay("mi300x"))) == []


@pytest.mark.parametrize(
    ("libc", "expected"),
    [
        ("glibc 2.31", []),
        ("glibc 2.28", []),
        ("glibc 2.17", ["error drift libc-version: glibc >=2.28 (torch 2.1.0) | glibc 2.17"]),
        ("glibc 2.9", ["error drift libc-version: glibc >=2.28 (torch 2.1.0) | glibc 2.9"]),
        ("musl 1.2.5", ["error drift libc-version: glibc >=2.28 (torch 2.1.0) | musl 1.2.5"]),
        ("", []),
    ],
)
def test_minimum_glibc(libc: str, expected: list[str]) -> None:
    """Too old a glibc, or musl: extension modules do not load."""
    facts = Facts(minimum_glibc="2.28", sources={"minimum-glibc": "torch 2.1.0"})
    assert rows(verdict(lock(facts=facts), replay("zen3"), libc=libc)) == expected


# --- properties ------------------------------------------------------------------------------------------------------

TABLES = st.fixed_dictionaries(
    {},
    optional={
        "cpu-level": st.sampled_from([">=x86-64-v2", ">=x86-64-v3", ">=x86-64-v4", ">=armv8.2a", ">=armv9.0a"]),
        "cpu-features": st.lists(
            st.sampled_from(["avx2", "fma", "avx512f", "sse3", "sve", "atomics"]), min_size=1, unique=True
        ),
    },
)  # fmt: skip


@given(st.sampled_from(NAMES), TABLES, st.data())
def test_without_a_feature_no_class_is_gained(name: str, table: dict[str, Any], data: st.DataObject) -> None:
    """A machine that lacks something satisfies no class that the same machine with it does not."""
    machine = replay(name)
    cpu = machine.cpu
    assert isinstance(cpu, Cpu)
    gone = data.draw(st.sets(st.sampled_from(cpu.features)))
    less = cpu_of(
        cpu.architecture, vendor=cpu.vendor, model=cpu.model, features={*cpu.features} - gone, threads=cpu.threads
    )
    made = lock({"it": table}).lock
    if standing(answers(made, "it", replace(machine, cpu=less))) == "yes":
        assert standing(answers(made, "it", machine)) == "yes"


@given(st.sampled_from(NAMES), st.sampled_from(["cpu", "memory", "accelerators"]))
def test_what_is_unknown_never_satisfies(name: str, part: str) -> None:
    """A class that asks for a thing that was not seen is not satisfied."""
    table = {"cpus": ">=1", "memory-gib": ">0", "accelerator": {"kind": "none"}}
    hidden = replace(replay(name), **{part: Unknown(reason="hidden")})
    made = lock({"it": table}).lock
    assert classes_of(made, hidden) == ()
    assert rows(verdict(lock({"it": table}), hidden, on="it")) != []
    assert verdict(lock({"it": table}), hidden).exit_code in (0, 3)
