"""libc-version: the C library is older than the locked wheels need, or another one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.version import Version

from envlock.model.finding import Finding, Rule
from envlock.model.influence import PYTHON_RANK
from envlock.model.machine import Machine
from envlock.verify.case import Case

RULE = Rule(
    id="libc-version",
    family="SYS",
    needs="interpreter",
    title="The C library is at least the glibc that the locked wheels were built against.",
    why="Their extension modules do not load: version GLIBC_2.xx not found.",
    source="PEP 600",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding where a Linux target has too old a glibc, or musl."""
    minimum = case.lock.facts.minimum_glibc
    name, _, version = _libc(case).partition(" ")
    if minimum is None or not name or case.platform.sys_platform != "linux":
        return
    if name == "glibc" and (not re.fullmatch(r"\d+(\.\d+)*", version) or Version(version) >= Version(minimum)):
        return
    source = case.lock.facts.sources.get("minimum-glibc", "")
    yield RULE.finding(
        "libc",
        expected=f"glibc >={minimum}" + (f" ({source})" if source else ""),
        found=f"{name} {version}".strip(),
        fix=f"envlock build {case.lock.env}",
        rank=PYTHON_RANK,
    )


def _libc(case: Case) -> str:
    """Return what the target runs on.

    Before 3.8 `platform.libc_ver` reads the program, which may have been linked against an older library than the one
    that serves it: there the machine's own is taken.
    """
    interpreter, machine = case.interpreter, case.observation.machine
    feature = interpreter.feature if interpreter is not None else ""
    if interpreter is not None and re.fullmatch(r"3\.(\d+)", feature) and int(feature[2:]) >= 8:
        return interpreter.libc
    return machine.libc if isinstance(machine, Machine) else ""
