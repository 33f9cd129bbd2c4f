"""A made-up team on this repository's real locks: reports of three teammates, or of as many as one likes.

What they hold has the shape of real ones: the packages of lockfiles/pylock.tf25.toml and tf26, the probes of
TensorFlow, machines of several kinds. Who is odd is fixed, so that pictures and times mean the same again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from msgspec.structs import replace
from tools.probes_page import suites

from envlock.formats.pylock import read_lock
from envlock.model.lock import LockFile
from envlock.model.machine import Accelerator, Accelerators, Cpu, Machine
from envlock.model.numerics import PASSES, Answer, Conditions, Numerics, Probe, Suite
from envlock.model.observation import Interpreter, Variables
from envlock.model.provenance import Signature
from envlock.model.report import Checkout, Installed, Judged, LockedAs, Report, Told
from envlock.observe.probe_list import probes_in

ROOT = Path(__file__).resolve().parent.parent
FIRST = ("ana", "ben", "chloe")
COMMIT, OTHER_COMMIT = "0a1b2c3d" * 5, "7e57ab1e" * 5
_XEON = Cpu(
    architecture="x86_64",
    vendor="GenuineIntel",
    model="Intel(R) Xeon(R) Gold 6226R CPU @ 2.90GHz",
    level="x86-64-v4",
    features=("aes", "avx", "avx2", "avx512f", "avx512vl", "fma", "sse4_2"),
    threads=32,
)
_LAPTOP = replace(
    _XEON,
    model="11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz",
    threads=8,
)
_EPYC = replace(
    _XEON,
    vendor="AuthenticAMD",
    model="AMD EPYC 7B13",
    level="x86-64-v3",
    features=("aes", "avx", "avx2", "fma", "sse4_2"),
)
_A100 = Accelerator(kind="nvidia", name="NVIDIA A100-SXM4-40GB", model="A100", memory=40 << 30)
_DRIFT = Told(rule="package-version", severity="error", impact="results", subject="tensorflow", expected="2.5.0")


def team(number: int, *, numbers: bool = True) -> dict[str, Report]:
    """Return reports by name: three teammates, then nodes of a cluster; `numbers` are answers of probes."""
    found: dict[str, Report] = {}
    for at in range(number):
        name = FIRST[at] if at < len(FIRST) else f"node-{at - len(FIRST) + 1:03}"
        found[name] = _report(name, at, numbers=numbers)
    return found


def signatures(reports: Mapping[str, Report]) -> dict[str, Signature | None]:
    """Return who signed: the teammates by keys that are allowed, one by another key, nodes not at all."""
    found: dict[str, Signature | None] = dict.fromkeys(reports)
    for name in FIRST[:2]:
        found[name] = Signature(standing="trusted", key="SHA256:" + "k" * 43, principal=f"{name}@example.com")
    return found


def _report(name: str, at: int, *, numbers: bool) -> Report:
    """Return one report: ben has TensorFlow 2.6, chloe other threads, some nodes another CPU, a GPU or other code."""
    newer = name == "ben" or at % 33 == 20
    fewer = name == "chloe" or at % 41 == 30
    amd = at % 17 == 9
    gpu = at % 47 == 40
    lock = _lock("tf26" if newer else "tf25")
    threads = "4" if fewer else "8"
    kind = "tf26" if newer else "threads" if fewer else "amd" if amd else "usual"
    cpu = _LAPTOP if at < len(FIRST) else _EPYC if amd else _XEON
    machine = Machine(
        system="linux",
        libc="glibc 2.31",
        cpu=cpu,
        memory=(32 if at < len(FIRST) else 256) << 30,
        accelerators=Accelerators(devices=(_A100,), driver="535.129.03", cuda="12.2") if gpu else Accelerators(),
    )
    variables = {"OMP_NUM_THREADS": threads, "TF_ENABLE_ONEDNN_OPTS": "0"}
    python = "3.9.19" if name == "chloe" else "3.9.2"
    return Report(
        envlock="1.0",
        created=f"2026-11-{10 + at % 12:02}T09:30:00Z",
        full=False,
        interpreter=Interpreter(
            implementation="cpython", version=python, system="linux", machine="x86_64", libc="glibc 2.31"
        ),
        distributions=_installed("tf26" if newer else "tf25"),
        variables=Variables(origin="shell", values=variables),
        machine=machine,
        checkout=Checkout(commit=OTHER_COMMIT if at % 61 == 50 else COMMIT, dirty=at % 73 == 60, root="f" * 40),
        inputs={"data/train.csv": hashlib.sha256(b"other" if at % 97 == 70 else b"train").hexdigest()},
        lock=LockedAs(env="tf25", digest=_lock("tf25").digest),
        judged=Judged(
            lock=_lock("tf25").digest,
            mode="quick",
            outcome="drift" if newer else "match",
            findings=(replace(_DRIFT, found=_version(lock)),) if newer else (),
        ),
        numerics=_numerics(kind, machine) if numbers else None,
    )


@cache
def _lock(env: str) -> LockFile:
    return read_lock(ROOT / "lockfiles" / f"pylock.{env}.toml")


@cache
def _installed(env: str) -> tuple[Installed, ...]:
    rows = [Installed(name=each.name, version=each.version, installer="uv") for each in _lock(env).lock.packages]
    return tuple(sorted(rows, key=lambda each: each.name))


def _version(lock_file: LockFile) -> str:
    package = lock_file.lock.package("tensorflow")
    assert package is not None
    return package.version


@cache
def _suite(kind: str) -> Suite:
    """Return what TensorFlow's probes gave: some other answers with 2.6, with other threads, on another CPU."""
    source = suites()["tensorflow"].read_text("utf-8")
    every = {"usual": 0, "tf26": 57, "threads": 7, "amd": 11}[kind]
    rows = [row for row in probes_in("tensorflow", source) if row.device == "cpu"]
    probes = []
    for at, row in enumerate(rows):
        answers = {}
        for which in PASSES:
            other = every and at % every == 3 and (which == "configured" or kind != "threads")
            text = f"{row.name} {kind if other else 'usual'}"
            answers[which] = Answer(status="ok", sha256=hashlib.sha256(text.encode()).hexdigest())
        probes.append(Probe(name=row.name, sensitive=row.sensitive, answers=answers))
    return Suite(
        framework="tensorflow",
        loaded="ok",
        version="2.6.0" if kind == "tf26" else "2.5.0",
        source=hashlib.sha256(source.encode()).hexdigest(),
        probes=tuple(probes),
    )


def _numerics(kind: str, machine: Machine) -> Numerics:
    conditions = Conditions(python="3.9.2", threads=8, machine=machine)
    return Numerics(conditions=conditions, suites=(_suite(kind),))
