"""`status` asks everything at once, and what does not answer is told, never raised."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from envlock.errors import UnverifiableError, UsageError
from envlock.formats.pylock import write_lock
from envlock.model.ability import Status
from envlock.model.edges import Resolution
from envlock.model.hardware import AcceleratorClass, HardwareClass
from envlock.model.machine import Accelerator, Accelerators, Cpu, Machine
from envlock.model.manifest_parser import find_manifest
from envlock.model.platform import Platform
from envlock.model.unknown import Unknown
from envlock.operations.abilities import Questions
from envlock.operations.status import status_of
from envlock.report.status import status_json, status_text
from tests.unit.edges import edges_with
from tests.unit.registries import DictRegistry
from tests.unit.venvs import lock_of

MANIFEST = """
[env.demo]
python = "3.11"
dependencies = ["cat"]

[env.demo.image]
base = "debian-bookworm-python3.11"
repository = "registry.example.com/team/a"
"""
GPU = Accelerator(kind="nvidia", name="NVIDIA A100-SXM4-40GB", model="A100")


class _Index:
    def __init__(self, error: UsageError | None = None) -> None:
        self.error = error
        self.asked: list[Resolution] = []

    def resolve(self, wanted: Resolution) -> list[Mapping[str, Any]]:
        self.asked.append(wanted)
        if self.error:
            raise self.error
        return []


class _Sandbox:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def start(self, root: Path, argv: Sequence[str], **more: Any) -> Any:
        raise self.error


def _machine(accelerators: Accelerators | Unknown | None = None) -> Machine:
    return Machine(
        system="linux",
        cpu=Cpu(architecture="x86_64"),
        memory=1,
        accelerators=accelerators if accelerators is not None else Accelerators(),
    )


def _no_engine() -> str:
    raise UsageError("no-engine", "No Docker Engine answers.", found="no such file")


def _status(
    folder: Path | None,
    *,
    registry: DictRegistry | None = None,
    index: _Index | None = None,
    sandbox: Exception | None = None,
    machine: Machine | Unknown | None = None,
    engine: Callable[[], str] = _no_engine,
    room: int = 100 << 30,
    offline: bool = False,
) -> Status:
    return status_of(
        find_manifest(folder) if folder else None,
        edges_with(
            registry=lambda: registry or DictRegistry(),
            resolver=index or _Index(),
            sandbox=_Sandbox(sandbox or UsageError("not-in-root", "It cannot be run.")),
        ),
        Questions(
            engine=engine,
            machine=lambda: machine or _machine(),
            room=lambda: room,
            platform=Platform("linux", "amd64"),
            offline=offline,
        ),
    )


def test_without_a_manifest() -> None:
    """It says what the machine is able to do, and nothing of environments."""
    status = _status(None)
    assert {row.name: row.state for row in status.abilities} == {
        "disk": "able",
        "sandbox": "able",
        "engine": "absent",
        "index": "able",
        "GPU": "absent",
    }
    assert status.standings == ()
    assert "Environments" not in status_text(status)


def test_what_is_unable_says_why_and_what_to_do() -> None:
    """A full disk, forbidden namespaces, a refusing index and a failing driver have a reason and a next step."""
    status = _status(
        None,
        room=1 << 20,
        sandbox=UnverifiableError("no-namespaces", "The kernel forbids namespaces.", hint="Allow them."),
        index=_Index(UsageError("resolver-failed", "No answer.", found="timeout", hint="Is the proxy set?")),
        machine=_machine(Unknown(reason="NVML failed", hint="Load the driver.")),
        engine=lambda: "Docker Engine 20.10, linux/amd64",
    )
    assert [row.state for row in status.abilities] == ["unable", "unable", "able", "unable", "unknown"]
    text = status_text(status)
    for said in ("Allow them.", "No answer (timeout)", "Is the proxy set?", "NVML failed", "ENVLOCK_CACHE_DIR"):
        assert said in text


def test_gpus_are_counted() -> None:
    """Devices of one name are one line, with their driver."""
    machine = _machine(Accelerators(devices=(GPU, GPU), driver="535.129.03"))
    row = _status(None, machine=machine).abilities[-1]
    assert (row.state, row.said) == ("able", "2 × NVIDIA A100-SXM4-40GB, driver 535.129.03")


def test_offline_asks_nobody_outside(tmp_path: Path) -> None:
    """Index and registry are unknown then, and were not asked."""
    (tmp_path / "envlock.toml").write_text(MANIFEST)
    index, registry = _Index(), DictRegistry()
    status = _status(tmp_path, index=index, registry=registry, offline=True)
    assert (index.asked, registry.calls) == ([], [])
    assert {row.name: row.state for row in status.abilities if row.state == "unknown"} == {
        "index": "unknown",
        "registry registry.example.com": "unknown",
    }


def test_environments_and_their_next_command(tmp_path: Path) -> None:
    """No lock: lock; a broken one: its reason; a stale one: lock again; its image is found by the lock's tag."""
    (tmp_path / "envlock.toml").write_text(MANIFEST)
    (row,) = _status(tmp_path).standings
    assert (row.lock, row.next) == ("missing", "envlock lock demo")
    path = tmp_path / "lockfiles" / "pylock.demo.toml"
    path.parent.mkdir()
    path.write_text("nonsense")
    (row,) = _status(tmp_path).standings
    assert (row.lock, row.changed != ()) == ("broken", True)
    lock = lock_of()
    path.write_bytes(lock.raw)
    registry = DictRegistry()
    digest = f"sha256:{'ab' * 32}"
    registry.tags["registry.example.com/team/a"] = {f"lock-{lock.digest[:32]}": digest}
    status = _status(tmp_path, registry=registry)
    (row,) = status.standings
    assert (row.lock, row.next) == ("stale", "envlock lock demo")
    assert row.image == f"registry.example.com/team/a:lock-{lock.digest[:32]}@{digest}"
    assert json.loads(status_json(status))["standings"][0]["lock"] == "stale"
    assert "image pushed" in status_text(status)


def test_the_class_of_the_machine(tmp_path: Path) -> None:
    """Of a lock that names hardware classes it says which of them this machine is of."""
    (tmp_path / "envlock.toml").write_text(MANIFEST)
    path = tmp_path / "lockfiles" / "pylock.demo.toml"
    path.parent.mkdir()
    none, a100 = AcceleratorClass(kind="none"), AcceleratorClass(kind="nvidia", models=("A100",))
    classes = {"laptop": HardwareClass(accelerator=none), "a100": HardwareClass(accelerator=a100)}
    path.write_bytes(write_lock(replace(lock_of().lock, hardware=classes)))
    status = _status(tmp_path, machine=_machine(Accelerators(devices=(GPU,), driver="535.129.03")))
    assert status.standings[0].hardware == "class a100"
    assert "class a100" in status_text(status)
    assert _status(tmp_path).standings[0].hardware == "class laptop"


def test_a_registry_that_is_down(tmp_path: Path) -> None:
    """It is told with its reason; the environment is told all the same."""
    (tmp_path / "envlock.toml").write_text(MANIFEST)
    registry = DictRegistry()
    registry.broken.add("registry.example.com")
    status = _status(tmp_path, registry=registry)
    assert (status.abilities[-1].state, status.abilities[-1].said) == ("unable", "The registry cannot be used (down)")
    assert [row.env for row in status.standings] == ["demo"]
