"""The machine as programs of a container see it: a Python inside tells what its files and calls say."""

from __future__ import annotations

import importlib.resources
import posixpath
import re
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from envlock.adapters import attached
from envlock.adapters.host import Host, ThisHost
from envlock.adapters.machine import observe_machine
from envlock.model import records
from envlock.model.machine import Accelerators, Machine
from envlock.model.unknown import Unknown

_PYTHONS = ("python3", "python", "/opt/venv/bin/python", "/usr/bin/python3", "/usr/local/bin/python3")
_LIMIT = 4 << 20
_TIMEOUT_S = 30.0
_DEVICES = ("nvidia", "nvhost", "kfd", "dri")
_CARD = re.compile(r"nvidia\d+|kfd|dri")


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """What data/in_target/machine.py prints."""

    system: str
    architecture: str
    libc: str
    files: Mapping[str, str]
    folders: Mapping[str, tuple[str, ...]]
    threads: int
    affinity: int | None
    memory: int


def machine_in(api: Any, container_id: str) -> Machine | Unknown:
    """Return what a running container can compute with; `api` is docker's client.

    Nothing is believed of it but facts of the machine.
    """
    for python in _PYTHONS:
        raw = _printed(api, container_id, python)
        if raw:
            break
    else:
        return Unknown(reason="no Python in the container told what it sees")
    return machine_told(api, raw)


def machine_told(api: Any, raw: bytes) -> Machine | Unknown:
    """Return the machine of a container by what data/in_target/machine.py printed in it; `api` is docker's client."""
    try:
        host = ContainerHost(records.from_json(raw, _Told))
    except (msgspec.DecodeError, RecursionError) as error:
        return Unknown(reason=f"what the Python in the container told cannot be read ({error})")
    local = str(api.base_url).startswith("http+docker:")  # a socket of this machine, as docker's client writes it
    return msgspec.structs.replace(
        observe_machine(host), accelerators=accelerators_of(host, ThisHost() if local else None)
    )


def accelerators_of(container: ContainerHost, machine: Host | None) -> Accelerators | Unknown:
    """Return the GPUs of a container: those of the machine that it runs on, where it was given all of them.

    `machine` is None where it runs elsewhere: no library of this side can ask that one's GPUs.
    """
    given = {name for name in container.told.folders.get("/dev", ()) if name.startswith(_DEVICES)}
    if not given:
        return Accelerators()
    if machine is not None and machine.system == "linux":
        there = {name for name in machine.names("/dev") if name.startswith(_DEVICES)}
        if {name for name in there if _CARD.fullmatch(name)} <= given:
            return observe_machine(machine).accelerators
    return Unknown(
        reason=f"which GPUs the container has (/dev/{min(given)}) cannot be seen from outside",
        hint="Verify inside of it: docker exec CONTAINER envlock verify",
    )


class ContainerHost:
    """A machine by what a script in a container told; implements `adapters.host.Host`."""

    def __init__(self, told: _Told) -> None:
        self.told = told
        self.system = told.system
        self.architecture = told.architecture
        self.libc = told.libc

    def read(self, path: str) -> str | None:
        """Return a file that the script brought."""
        return self.told.files.get(posixpath.normpath(path))

    def names(self, folder: str) -> tuple[str, ...]:
        """Return a folder that the script listed, without GPUs, see `accelerators_of`."""
        names = self.told.folders.get(posixpath.normpath(folder), ())
        return tuple(name for name in names if not name.startswith(_DEVICES))

    def threads(self) -> int:
        """Return what os.cpu_count said."""
        return self.told.threads

    def affinity(self) -> int | None:
        """Return what sched_getaffinity said of a process of the container."""
        return self.told.affinity

    def memory(self) -> int:
        """Return what sysconf said."""
        return self.told.memory

    def sysctl(self) -> str:
        """Say nothing: containers run Linux."""
        return ""

    def cpuid(self) -> tuple[str, str, frozenset[str]]:
        """Say nothing: on Linux a file tells it."""
        return "", "", frozenset()


def _printed(api: Any, container_id: str, python: str) -> bytes:
    """Return what the script printed, nothing where it did not run to its end in time."""
    import docker

    script = importlib.resources.files("envlock").joinpath("data/in_target/machine.py").read_text("utf-8")
    out = bytearray()
    deadline = time.monotonic() + _TIMEOUT_S
    try:
        asked = api.exec_create(container_id, [python, "-I", "-S", "-B", "-c", script])["Id"]
        stream = api.exec_start(asked, socket=True)
        try:
            connection = attached.connection_of(stream)
            connection.settimeout(_TIMEOUT_S)
            for kind, chunk in attached.output_of(connection, terminal=False):
                out += chunk if kind == 1 else b""
                if len(out) > _LIMIT or time.monotonic() > deadline:
                    return b""
        finally:
            attached.close(stream)
        return bytes(out) if api.exec_inspect(asked)["ExitCode"] == 0 else b""
    except (docker.errors.APIError, OSError):
        return b""
