"""Which factors differ between a fingerprint's machine and this one, and how each could be put back to test it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from envlock.model.computing import used_by
from envlock.model.factors import factor_of, relevant
from envlock.model.machine import Accelerator, Accelerators, Cpu
from envlock.model.numerics import Conditions, Pass, Suite
from envlock.model.passes import ALL_THREAD_VARIABLES
from envlock.model.redaction import is_redacted
from envlock.verify.dispatch import caps, kernel_features
from envlock.verify.numeric_difference import DISPATCH, LIBRARY, THREADS, Change, Difference, difference


def differences(
    which: Pass, one: Suite, other: Suite, expected: Conditions, found: Conditions
) -> tuple[Difference, ...]:
    """Return what may explain that a suite's probes differ in a pass: what can be tested first.

    Threads and settings are no factors of the canonical pass, which has the same ones everywhere.

    Args:
        one: the suite as it was in the fingerprint.
        other: the suite as it was here.
    """
    on_cpu = other.device == "cpu"
    return (
        *(_threads(other, expected, found) if which == "configured" and on_cpu else ()),
        *_variables(which, other, expected, found),
        *(_cpu(other, expected, found) if on_cpu else _gpu(expected, found)),
        *_library(one, other, expected, found),
        *_system(expected, found),
    )


def _differing(expected: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    return [name for name in sorted(expected.keys() | found.keys()) if expected.get(name) != found.get(name)]


def _threads(suite: Suite, expected: Conditions, found: Conditions) -> Iterator[Difference]:
    """Yield how the numbers of threads differ: those that variables ask for, and those that there are CPUs for."""
    names = [name for name in _relevant(suite, expected, found) if _is_thread(name)]
    counts = [one for one, other in zip(_counts(expected), _counts(found), strict=True) if one != other and one * other]
    if not names and not counts:
        return
    told = {name: expected.variables.get(name) for name in names}
    experiments: list[Change] = []
    settable = not any(is_redacted(value or "") for value in told.values())
    if settable:
        # What the fingerprint's variables say goes before the number of its CPUs.
        given = {name: value for name, value in expected.variables.items() if name in ALL_THREAD_VARIABLES}
        unset: dict[str, str | None] = dict.fromkeys(ALL_THREAD_VARIABLES) if given else {}
        experiments += [(unset | given | told, count) for count in dict.fromkeys(counts)]
        experiments += [(told, None)] if names else []
    texts = [_said_threads(each, names, counted=bool(counts)) for each in (expected, found)]
    reached = not counts or _counts(expected)[0] <= _counts(found)[0]
    yield difference(THREADS, texts[0], texts[1], experiments, exact=settable and reached)


def _counts(conditions: Conditions) -> tuple[int, int]:
    """Return how many threads libraries start that go by CPUs, as most do, and that go by a quota too."""
    cpu = conditions.machine.cpu
    schedulable = (cpu.affinity or cpu.threads) if isinstance(cpu, Cpu) else 0
    return schedulable or conditions.threads, conditions.threads


def _said_threads(conditions: Conditions, names: list[str], *, counted: bool) -> str:
    set_here = [f"{name}={conditions.variables[name]}" for name in names if name in conditions.variables]
    if not counted:
        return ", ".join(set_here) or f"{', '.join(names)} unset"
    started, granted = _counts(conditions)
    quota = f" for {granted} CPU{'s' * (granted != 1)} of quota" if granted != started else ""
    return ", ".join([*set_here, f"{started} thread{'s' * (started != 1)}{quota}"])


def _is_thread(name: str) -> bool:
    factor = factor_of(name)
    return factor is not None and factor.kind == "threads"


def _relevant(suite: Suite, expected: Conditions, found: Conditions) -> list[str]:
    """Return the differing variables that something of what a suite computes with reads."""
    packages = {suite.framework, *used_by(suite.framework, expected.versions.keys() | found.versions.keys())}
    return [
        name
        for name in _differing(expected.variables, found.variables)
        if (factor := factor_of(name)) is not None
        and relevant(factor, packages)
        and (factor.kind != "accelerator" or suite.device == "gpu")
    ]


def _variables(which: Pass, suite: Suite, expected: Conditions, found: Conditions) -> Iterator[Difference]:
    for name in _relevant(suite, expected, found):
        factor = factor_of(name)
        if factor is None or factor.kind == "threads" or (which == "canonical" and factor.impact == "results"):
            continue
        value = expected.variables.get(name)
        # A folder of another machine cannot be put back, nor what was taken out of a text.
        settable = value is None or (factor.kind != "library" and not is_redacted(value))
        changes: list[Change] = [({name: value}, None)] if settable else []
        texts = (_said_value(value), _said_value(found.variables.get(name)))
        yield difference(name, *texts, changes, exact=settable)


def _said_value(value: str | None) -> str:
    return "unset" if value is None else value or "empty"


def _cpu(suite: Suite, expected: Conditions, found: Conditions) -> Iterator[Difference]:
    """Yield how the CPUs differ: dispatchers choose kernels by features, and blocks by a model's caches."""
    one, other = expected.machine.cpu, found.machine.cpu
    if not isinstance(one, Cpu) or not isinstance(other, Cpu):
        yield Difference(factor="CPU", expected=_said_cpu(one), found=_said_cpu(other))
        return
    kernels = one.architecture != other.architecture or kernel_features(one) != kernel_features(other)
    if not kernels and (one.vendor, one.model) == (other.vendor, other.model):
        return
    texts = (_said_cpu(one), _said_cpu(other))
    if one.level == other.level and kernels:
        lacking = (kernel_features(one) - kernel_features(other), kernel_features(other) - kernel_features(one))
        texts = (texts[0] + _said_features(lacking[0]), texts[1] + _said_features(lacking[1]))
    changes: list[Change] = [({**each}, None) for each in caps(suite.framework, one, other, found.variables)]
    name = DISPATCH if changes else "CPU"
    tested = difference(name, *texts, changes, exact=False)
    yield msgspec.structs.replace(tested, likely=kernels, untested="CPU")


def _said_cpu(cpu: object) -> str:
    if not isinstance(cpu, Cpu):
        return "an unknown CPU"
    level, model = cpu.level or cpu.architecture, cpu.model or cpu.vendor
    return f"{level} ({model})" if model else level


def _said_features(names: frozenset[str]) -> str:
    shown = " ".join(sorted(names)[:4])
    return f" with {shown}{' …' * (len(names) > 4)}" if names else ""


def _library(one: Suite, other: Suite, expected: Conditions, found: Conditions) -> Iterator[Difference]:
    """Yield which of the distributions that a suite computes with have other versions, the framework first."""
    names = used_by(other.framework, _differing(expected.versions, found.versions))
    if names:
        texts = [_said_versions(names, side.versions) for side in (expected, found)]
        changes = _listed([_said_change(name, expected.versions, found.versions) for name in names])
        first, *rest = [_pair(name, expected.versions, found.versions) for name in names]
        pairs = f"{first} ({_listed(rest)})" if rest else first
        yield Difference(factor=LIBRARY, expected=texts[0], found=texts[1], changes=changes, pairs=pairs)
    elif one.version != other.version:
        versions = [suite.version or "of an unknown version" for suite in (one, other)]
        texts = [f"{other.framework} {version}" for version in versions]
        yield Difference(factor=LIBRARY, expected=texts[0], found=texts[1], pairs=f"{texts[0]} → {versions[1]}")


def _said_versions(names: tuple[str, ...], versions: Mapping[str, str]) -> str:
    return _listed([f"{name} {versions[name]}" if name in versions else f"no {name}" for name in names])


def _pair(name: str, expected: Mapping[str, str], found: Mapping[str, str]) -> str:
    if name in expected and name in found:
        return f"{name} {expected[name]} → {found[name]}"
    return f"{name} {expected[name]} gone" if name in expected else f"{name} {found[name]} new"


def _said_change(name: str, expected: Mapping[str, str], found: Mapping[str, str]) -> str:
    if name in expected and name in found:
        return f"{name} {expected[name]} there and {found[name]} here"
    return f"{name} {expected[name]} only there" if name in expected else f"{name} {found[name]} only here"


def _listed(texts: list[str]) -> str:
    return ", ".join([*texts[:3], *([f"{len(texts) - 3} more"] if len(texts) > 3 else [])])


def _gpu(expected: Conditions, found: Conditions) -> Iterator[Difference]:
    one, other = expected.machine.accelerators, found.machine.accelerators
    if not isinstance(one, Accelerators) or not isinstance(other, Accelerators):
        unknown = tuple(_said_gpu(side) for side in (one, other))
        yield Difference(factor="GPU", expected=unknown[0], found=unknown[1])
        return
    texts = (_said_gpu(one), _said_gpu(other))
    if texts[0] != texts[1]:
        yield Difference(factor="GPU", expected=texts[0], found=texts[1])
    if one.driver != other.driver:
        texts = (one.driver or "unknown", other.driver or "unknown")
        yield Difference(factor="GPU driver", expected=texts[0], found=texts[1], likely=False)


def _said_gpu(accelerators: object) -> str:
    if not isinstance(accelerators, Accelerators):
        return "an unknown GPU"
    if not accelerators.devices:
        return "no GPU"
    first: Accelerator = accelerators.devices[0]
    told = [first.name]
    if first.multiprocessors:
        told.append(f"{first.multiprocessors} multiprocessors")
    if first.compute_capability:
        told.append(f"compute capability {first.compute_capability}")
    if first.mig:
        told.append(f"MIG {first.mig_profile}".rstrip())
    return ", ".join(told)


def _system(expected: Conditions, found: Conditions) -> Iterator[Difference]:
    """Yield what is below the libraries."""
    one, other = expected.machine, found.machine
    if one.system != other.system:
        yield Difference(factor="operating system", expected=one.system, found=other.system)
    if expected.python.split(".")[:2] != found.python.split(".")[:2]:
        # Each feature version has wheels of its own, compiled apart; releases within one share them.
        texts = (expected.python or "unknown", found.python or "unknown")
        yield Difference(factor="Python", expected=texts[0], found=texts[1], likely=False)
    if one.libc != other.libc:
        texts = (one.libc or "unknown", other.libc or "unknown")
        yield Difference(factor="libc", expected=texts[0], found=texts[1], likely=False)
