"""What single reports say, thing by thing, in words that can be held against each other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import msgspec

from envlock.model.comparison import Area
from envlock.model.machine import Accelerators, Cpu, Machine
from envlock.model.observation import Variables
from envlock.model.redaction import is_redacted
from envlock.model.report import Checkout, Installed, Report
from envlock.model.unknown import Unknown

THREADS = "OMP_NUM_THREADS"
"""OpenMP's own, which OpenBLAS, MKL and PyTorch read too where they have no other."""
CPUS = "CPUs for programs"
FEATURES = "CPU features"
_NUMERIC = re.compile(r"(avx|fma|f16c|amx|sse4|ssse3|sve|asimd|bf16|i8mm|fphp|vnni).*")
"""Features that numerical libraries choose their kernels by."""
Key = tuple[Area, str]


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a report says of one thing."""

    text: str
    note: str = ""
    hidden: bool = False
    """Whether something private was taken out of it: equal texts may have been different ones."""


def sayings(report: Report) -> Iterator[tuple[Key, Said | Unknown]]:
    """Yield everything that a report says, each thing once. Contents of packages are `contents_of`'s."""
    yield from _code(report.checkout)
    for name, digest in report.inputs.items():
        yield ("data", name), Said(text=digest or "no such file")
    yield from _python(report)
    if isinstance(report.distributions, Unknown):
        yield ("package", "packages"), report.distributions
    else:
        yield from _packages(report.distributions)
        for each in report.startup:
            unread = Unknown(reason="the file was not read")
            yield ("startup", each.name), Said(text=each.sha256) if each.sha256 else unread
    yield from _settings(report)
    if isinstance(report.machine, Unknown):
        yield ("cpu", "machine"), report.machine
    elif report.machine is not None:
        yield from _machine(report.machine)


def absence(report: Report, area: Area) -> str:
    """Return what it means that a report says nothing of a thing; empty where it means that nobody knows."""
    if area in ("package", "source", "startup"):
        known = not isinstance(report.distributions, Unknown)
        return {"package": "not installed", "source": "the index", "startup": "not there"}[area] if known else ""
    return "unset" if area == "settings" and isinstance(report.variables, Variables) else ""


def contents_of(report: Report) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield (name, version, possible `contents` digests) of each distribution that is a wheel's, installed once."""
    if isinstance(report.distributions, Unknown):
        return
    counts = Counter(each.name for each in report.distributions)
    for each in report.distributions:
        if counts[each.name] == 1 and (each.source is None or not each.source.editable):
            yield each.name, each.version, each.contents


def _code(checkout: Checkout | Unknown | None) -> Iterator[tuple[Key, Said | Unknown]]:
    if isinstance(checkout, Unknown):
        yield ("code", "commit"), checkout
    elif checkout is not None:
        yield ("code", "commit"), Said(text=checkout.commit)
        yield ("code", "uncommitted changes"), Said(text="some" if checkout.dirty else "none")
        if checkout.root:
            yield ("code", "project"), Said(text=checkout.root)


def _python(report: Report) -> Iterator[tuple[Key, Said | Unknown]]:
    python = report.interpreter
    if isinstance(python, Unknown):
        yield ("python", "python"), python
        return
    if python.contradictions:
        yield ("python", "python"), Unknown(reason=python.contradictions[0])
        return
    kind = "" if python.implementation == "cpython" else f"{python.implementation} "
    yield ("python", "python"), Said(text=f"{kind}{python.version}")
    yield ("system", "platform"), Said(text=f"{python.system} {python.machine}")
    if python.libc:
        yield ("system", "libc"), Said(text=python.libc)


def _packages(distributions: tuple[Installed, ...]) -> Iterator[tuple[Key, Said | Unknown]]:
    versions: dict[str, list[str]] = {}
    installers = set()
    for each in distributions:
        versions.setdefault(each.name, []).append(each.version)
        installers.add(each.installer)
    for name, found in versions.items():
        text = " and ".join(sorted(f"'{version}'" if " " in version else version for version in found))
        said = Said(text=text, hidden=is_redacted(text))
        yield ("package", name), said if all(found) else Unknown(reason="it has no version")
    words = {"directory": "a folder", "archive": "a file", "vcs": "version control"}
    sources: dict[str, set[str]] = {}
    for each in distributions:
        if each.source is not None:
            kind = "editable" if each.source.editable else words[each.source.kind]
            sources.setdefault(each.name, set()).add(kind)
    for name, kinds in sources.items():
        yield ("source", name), Said(text=" and ".join(sorted(kinds)))
    if installers - {""}:
        yield ("system", "installer"), Said(text=", ".join(sorted(installers - {""})))


def _settings(report: Report) -> Iterator[tuple[Key, Said | Unknown]]:
    variables = report.variables
    cpu = report.machine.cpu if isinstance(report.machine, Machine) else None
    if isinstance(variables, Unknown):
        yield ("settings", "environment variables"), variables
    elif variables is not None:
        for name, value in variables.values.items():
            if name != THREADS:
                yield ("settings", name), Said(text=_value(value), hidden=is_redacted(value))
        if said := variables.values.get(THREADS):
            yield ("settings", "threads"), Said(text=said, note=f"by {THREADS}")
        elif isinstance(cpu, Cpu):
            yield ("settings", "threads"), _usable(cpu)


def _value(value: str) -> str:
    """Return a variable's value in words that do not say, as silence does, that it is unset."""
    return f"'{value}'" if value in ("", "unset") or value.startswith("'") else value


def _machine(machine: Machine) -> Iterator[tuple[Key, Said | Unknown]]:
    cpu, memory, accelerators = machine.cpu, machine.memory, machine.accelerators
    if isinstance(cpu, Unknown):
        yield ("cpu", "CPU"), cpu
    else:
        yield ("cpu", "CPU"), Said(text=cpu.model or cpu.vendor or cpu.architecture)
        yield ("cpu", CPUS), _usable(cpu)
        yield (
            ("cpu", "CPU vendor"),
            Said(text=cpu.vendor) if cpu.vendor else Unknown(reason="the system does not tell it"),
        )
        yield ("cpu", "CPU level"), Said(text=cpu.level) if cpu.level else Unknown(reason="it has no known level")
        features = " ".join(sorted(name for name in cpu.features if _NUMERIC.fullmatch(name)))
        told = Said(text=features) if cpu.features else Unknown(reason="the system does not tell them")
        yield ("cpu", FEATURES), told
    yield ("system", "memory"), memory if isinstance(memory, Unknown) else Said(text=f"{round(memory / 2**30)} GiB")
    if isinstance(accelerators, Unknown):
        yield ("accelerator", "GPU"), accelerators
        return
    yield ("accelerator", "GPU"), Said(text=_devices(accelerators))
    if accelerators.driver:
        yield ("accelerator", "GPU driver"), Said(text=accelerators.driver)


def _usable(cpu: Cpu) -> Said | Unknown:
    return cpu.quota_unseen or Said(text=str(cpu.usable))


def _devices(accelerators: Accelerators) -> str:
    names = Counter(
        device.name + (f" MIG {device.mig_profile}".rstrip() if device.mig else "") for device in accelerators.devices
    )
    told = [name if count == 1 else f"{count} x {name}" for name, count in sorted(names.items())]
    if accelerators.idle:
        told.append(f"{accelerators.idle} without a driver")
    return ", ".join(told) or "none"
