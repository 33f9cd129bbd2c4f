"""Numbers to compare: answers, suites and fingerprints, and the verdict on them."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from envlock.model.finding import Verdict
from envlock.model.lock import LockFile, Policy
from envlock.model.machine import Accelerators, Cpu, Machine
from envlock.model.numerics import (
    Answer,
    Conditions,
    Explanation,
    Fingerprint,
    Numerics,
    Pass,
    Probe,
    Sample,
    Status,
    Suite,
)
from envlock.model.observation import Observation
from envlock.model.terms import Terms, VerifyTable
from envlock.model.unknown import Unknown
from envlock.verify.case import Case
from envlock.verify.judgement import verdict_of
from tests.unit.venvs import lock_of
from tests.unit.wheels import make_wheel

SOURCE = "11" * 32
CPU = Cpu(architecture="x86_64", vendor="GenuineIntel", model="Xeon", level="x86-64-v4", features=("avx2", "fma"))
MACHINE = Machine(
    system="linux", libc="glibc 2.36", cpu=CPU, memory=Unknown(reason="no meminfo"), accelerators=Accelerators()
)
CONDITIONS = Conditions(python="3.9.2", threads=2, variables={}, versions={"numpy": "1.19.5"}, machine=MACHINE)


def sample(*values: float, dtype: str = "<f4", shape: tuple[int, ...] | None = None) -> Sample:
    """Return a sample of every element."""
    code = {"<f2": "e", "<f4": "f", "<f8": "d", "<i8": "q"}[dtype]
    bits = struct.pack(f"<{len(values)}{code}", *values)
    return Sample(dtype=dtype, shape=shape or (len(values),), step=1, bits=bits.hex())


def gave(*values: float, dtype: str = "<f4", beside: str = "") -> Answer:
    """Return the answer of a probe that gives these numbers, and something beside them that no sample shows."""
    found = sample(*values, dtype=dtype)
    return Answer(status="ok", sha256=hashlib.sha256(f"{found}{beside}".encode()).hexdigest(), samples=(found,))


def failed(status: Status, reason: str = "") -> Answer:
    return Answer(status=status, reason=reason)


def probe(name: str, canonical: Answer, configured: Answer | None = None) -> Probe:
    answers: dict[Pass, Answer] = {"canonical": canonical, "configured": configured or canonical}
    return Probe(name=name, sensitive="the order of sums", answers=answers)


def suite(framework: str, *probes: Probe, version: str = "1.0", source: str = SOURCE) -> Suite:
    return Suite(framework=framework, loaded="ok", version=version, source=source, probes=probes)


def numerics(*suites: Suite) -> Numerics:
    return Numerics(conditions=CONDITIONS, suites=suites)


def fingerprint(expected: Numerics, lock: str) -> Fingerprint:
    return Fingerprint(envlock="1.0", env="demo", lock=lock, hardware="laptop", numerics=expected)


def demo_lock(folder: Path, *, policy: Policy = "numeric", variables: Mapping[str, str] | None = None) -> LockFile:
    made = lock_of([make_wheel(folder, "demo")])
    settings = replace(made.lock.settings, env=dict(variables or {}))
    return replace(made, lock=replace(made.lock, policy=policy, settings=settings))


def verdict_on(
    lock: LockFile,
    expected: Numerics | Fingerprint | Unknown | None,
    found: Numerics | Unknown | None,
    *,
    explanations: tuple[Explanation, ...] = (),
    ulps: int = 4,
) -> Verdict:
    """Judge numbers alone: nothing else of the target was looked at."""
    known = fingerprint(expected, lock.digest) if isinstance(expected, Numerics) else expected
    seen = Observation(target=".venv", full=False, environment=None, numerics=found, explanations=explanations)
    return verdict_of(Case(lock, seen, terms=Terms(fingerprint=known, table=VerifyTable(ulps=ulps))))
