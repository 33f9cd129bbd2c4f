"""Reports made of values alone: what compare and verify see, without an environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from envlock.model.machine import Accelerator, Accelerators, Cpu, Machine
from envlock.model.observation import Interpreter, Variables
from envlock.model.provenance import REPORT_NAMESPACE, Signature
from envlock.model.report import Checkout, Installed, Report

COMMIT = "0a1b2c3d" * 5
ROOT = "f" * 40


def installed(**versions: str) -> tuple[Installed, ...]:
    """Return distributions of these versions; underscores of names are hyphens."""
    rows = [
        Installed(name=name.replace("_", "-"), version=version, installer="uv") for name, version in versions.items()
    ]
    return tuple(sorted(rows, key=lambda each: each.name))


def machine(*, cpus: int = 8, level: str = "x86-64-v3", features: tuple[str, ...] = ("avx2",), **more: Any) -> Machine:
    """Return a laptop."""
    cpu = Cpu(
        architecture="x86_64",
        vendor="GenuineIntel",
        model="Intel Core i7",
        level=level,
        features=features,
        threads=cpus,
    )
    laptop = Machine(system="linux", libc="glibc 2.36", cpu=cpu, memory=16 << 30, accelerators=Accelerators())
    return replace(laptop, **more)


def gpu(name: str = "NVIDIA A100-SXM4-40GB", **more: Any) -> Accelerator:
    """Return a GPU."""
    return Accelerator(kind="nvidia", name=name, model="A100", memory=40 << 30, **more)


PACKAGES = installed(tensorflow="2.5.0", numpy="1.19.5", six="1.15.0", pip="21.0")


def report(**changes: Any) -> Report:
    """Return a report of TensorFlow 2.5.0 at a commit, with these changes."""
    found = Report(
        envlock="1.0",
        created="2026-11-22T12:00:00Z",
        full=False,
        interpreter=Interpreter(
            implementation="cpython", version="3.9.18", system="linux", machine="x86_64", libc="glibc 2.36"
        ),
        distributions=PACKAGES,
        variables=Variables(origin="shell", values={}),
        machine=machine(),
        checkout=Checkout(commit=COMMIT, dirty=False, root=ROOT),
        inputs={"data/train.csv": "d" * 64},
    )
    return replace(found, **changes)


class NobodySigns:
    """Signatures of a team that has no keys."""

    def sign(self, raw: bytes, key: str, namespace: str = REPORT_NAMESPACE) -> bytes:
        """Nobody asks."""
        raise NotImplementedError

    def check(self, raw: bytes, armored: bytes, allowed: Path | None, namespace: str = REPORT_NAMESPACE) -> Signature:
        """Take every signature for a wrong one."""
        return Signature(standing="wrong", key="")
