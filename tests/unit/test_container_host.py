"""The machine that a container sees: a script of ours is run here as if it were inside one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import msgspec
import pytest

from envlock.adapters.container_host import ContainerHost, _Told, accelerators_of
from envlock.adapters.machine import observe_machine
from envlock.model import records
from envlock.model.machine import Accelerators
from envlock.model.unknown import Unknown

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="containers run Linux")


def told(**folders: tuple[str, ...]) -> ContainerHost:
    """Return what the script tells of this machine, with other folders."""
    script = (files("envlock") / "data/in_target/machine.py").read_text("utf-8")
    raw = subprocess.run([sys.executable, "-I", "-S", "-B", "-c", script], check=True, capture_output=True).stdout
    answer = records.from_json(raw, _Told)
    given: Mapping[str, Any] = {f"/{name}": names for name, names in folders.items()}
    return ContainerHost(msgspec.structs.replace(answer, folders={**answer.folders, **given}))


class WithGpus(ContainerHost):
    """A machine with two GPUs."""

    def names(self, folder: str) -> tuple[str, ...]:
        """List them."""
        return ("nvidia0", "nvidia1", "nvidiactl") if folder == "/dev" else ()


def test_the_script_sees_what_envlock_sees() -> None:
    """CPU, limits and memory are the same by either way, without any GPU library."""
    here, there = observe_machine(), observe_machine(told(dev=("null",)))
    assert (there.system, there.cpu, there.memory) == (here.system, here.cpu, here.memory)
    assert there.accelerators == Accelerators()


def test_gpus_of_a_container() -> None:
    """None without a device; those of the machine where it was given all; unknown where some, or elsewhere."""

    assert accelerators_of(told(dev=("null",)), None) == Accelerators()
    machine = WithGpus(told().told)
    for names, host in ((("nvidia0",), machine), (("nvidia0", "nvidia1"), None)):
        found = accelerators_of(told(dev=names), host)
        assert isinstance(found, Unknown)
        assert "/dev/nvidia0" in found.reason
    whole = accelerators_of(told(dev=("nvidia0", "nvidia1")), machine)
    assert whole == observe_machine(machine).accelerators
