"""What a machine's CPU and memory say to the constraints of a hardware class."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model import cpu_level
from envlock.model.constraint import COUNT, GIB, parse_constraint
from envlock.model.hardware import HardwareClass
from envlock.model.machine import Cpu
from envlock.model.size import gib
from envlock.model.unknown import Unknown
from envlock.verify.answer import Answer, answered, holds_memory, unanswered


def cpu_answers(hardware: HardwareClass, cpu: Cpu | Unknown) -> Iterator[Answer]:
    """Yield an answer to each constraint on the CPU."""
    if isinstance(cpu, Unknown):
        asked = {"level": hardware.cpu_level, "features": " ".join(hardware.cpu_features), "count": hardware.cpus}
        for key, wanted in asked.items():
            if wanted:
                yield unanswered(f"cpu-{key}", "cpus" if key == "count" else f"cpu {key}", wanted, cpu)
        return
    if hardware.cpu_level is not None:
        yield _level(hardware.cpu_level, cpu)
    if hardware.cpu_features:
        yield _features(hardware.cpu_features, cpu)
    if hardware.cpus is not None:
        yield _count(hardware.cpus, cpu)


def _level(wanted: str, cpu: Cpu) -> Answer:
    """Compare generic levels, never makers' names: a Zen 3 runs all that a Haswell does and descends from none."""
    level, exact = wanted.lstrip(">="), wanted.startswith("==")
    reached = {*cpu_level.levels_of(cpu.architecture, cpu.features), cpu.level}
    if not cpu.level:
        why = Unknown(reason=f"{cpu.model or cpu.architecture} does not say which features it has")
        return unanswered("cpu-level", "cpu level", wanted, why)
    fits = cpu.level == level if exact else any(cpu_level.holds(one, level) for one in reached)
    return answered("cpu-level", "cpu level", wanted, f"{cpu.level} ({cpu.model or cpu.vendor})", fits=fits)


def _features(wanted: tuple[str, ...], cpu: Cpu) -> Answer:
    missing = [name for name in wanted if name not in cpu.features]
    expected = " ".join(wanted)
    if not cpu.features:
        why = Unknown(reason=f"{cpu.model or cpu.architecture} does not say which features it has")
        return unanswered("cpu-features", "cpu features", expected, why)
    found = f"without {' '.join(missing)} ({cpu.model or cpu.vendor})" if missing else expected
    return answered("cpu-features", "cpu features", expected, found, fits=not missing)


def _count(wanted: str, cpu: Cpu) -> Answer:
    constraint = parse_constraint(wanted, COUNT)
    found = str(cpu.usable)
    if cpu.usable != cpu.threads:
        found += f" of {cpu.threads}"
    if cpu.quota_unseen is None:
        return answered("cpu-count", "cpus", wanted, found, fits=constraint.admits(str(cpu.usable)))
    possible = {constraint.admits(str(count)) for count in range(1, cpu.usable + 1)}
    if len(possible) == 1:
        return answered("cpu-count", "cpus", wanted, f"at most {found}", fits=possible.pop())
    return unanswered("cpu-count", "cpus", wanted, cpu.quota_unseen)


def memory_answers(hardware: HardwareClass, memory: int | Unknown) -> Iterator[Answer]:
    """Yield an answer to the constraint on the memory."""
    if hardware.memory_gib is None:
        return
    wanted = f"{hardware.memory_gib} GiB"
    if isinstance(memory, Unknown):
        yield unanswered("memory-size", "memory", wanted, memory)
    else:
        fits = holds_memory(parse_constraint(hardware.memory_gib, GIB), memory)
        yield answered("memory-size", "memory", wanted, gib(memory), fits=fits)
