"""What a machine's accelerators say to the constraints of a hardware class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from envlock.model.constraint import CAPABILITY, COUNT, DRIVER, GIB, Scale, parse_constraint
from envlock.model.gpu_name import is_slice, means
from envlock.model.hardware import AcceleratorClass, HardwareClass
from envlock.model.lock import Lock
from envlock.model.machine import Accelerator, Accelerators, Machine
from envlock.model.size import gib
from envlock.model.unknown import Unknown
from envlock.verify.answer import Answer, State, answered, holds_memory, unanswered

_MAKERS = {"nvidia": "NVIDIA's", "amd": "AMD's"}
_SUBJECTS = {
    "accelerator-model": "accelerator model",
    "accelerator-mig": "MIG",
    "accelerator-memory": "accelerator memory",
    "accelerator-capability": "compute capability",
}


def accelerator_answers(lock: Lock, hardware: HardwareClass, machine: Machine) -> Iterator[Answer]:
    """Yield answers to the constraints on accelerators.

    What rests on a device that is not there is not asked: without an accelerator its memory is no second difference.
    """
    asked, seen = hardware.accelerator, machine.accelerators
    if asked is None:
        return
    if isinstance(seen, Unknown):
        yield unanswered("accelerator-kind", "accelerator", asked.kind, seen)
        return
    devices = [device for device in seen.devices if device.kind == asked.kind]
    if asked.kind == "none":
        # Without ROCm an AMD device, which may well be a laptop's display, computes nothing.
        rocm = lock.facts.rocm is not None or lock.cuda == "base"
        devices = [device for device in seen.devices if device.kind != "amd" or rocm]
        yield answered("accelerator-kind", "accelerator", "none", _named(devices) or "none", fits=not devices)
        return
    found = _named(devices or seen.devices) or "none"
    if not seen.devices and seen.idle and asked.kind == "nvidia":
        found += f", and {seen.idle} NVIDIA device{'s' * (seen.idle > 1)} without a driver"
    yield answered("accelerator-kind", "accelerator", asked.kind, found, fits=bool(devices))
    if devices:
        yield from _devices(asked, devices)
        yield from _driver(asked, seen)


class _Step(msgspec.Struct, frozen=True):
    """One thing that a class asks of a device."""

    rule: str
    expected: str
    fits: Callable[[Accelerator], State]
    told: Callable[[Accelerator], str]
    hint: str = ""


def _devices(asked: AcceleratorClass, devices: list[Accelerator]) -> Iterator[Answer]:
    """Answer by the devices that are left after each step: a display beside the wanted GPU is none of it."""
    sure = set(range(len(devices)))
    left = sure
    for step in _steps(asked):
        states = {index: step.fits(devices[index]) for index in left}
        told = _several(step.told(devices[index]) for index in sorted(left))
        left = {index for index in left if states[index] != "no"}
        sure = {index for index in sure & left if states[index] == "yes"}
        if any(state == "yes" for state in states.values()):
            yield answered(step.rule, _SUBJECTS[step.rule], step.expected, told, fits=True)
        elif not left:
            yield answered(step.rule, _SUBJECTS[step.rule], step.expected, told, fits=False, hint=step.hint)
            return
        else:
            yield unanswered(step.rule, _SUBJECTS[step.rule], step.expected, Unknown(reason=told))
    if asked.count is None:
        return
    possible = {_admits(asked.count, COUNT, str(count)) for count in range(len(sure), len(left) + 1)}
    others = f" of {len(devices)}" if len(left) != len(devices) else ""
    if len(possible) == 1:
        fits = possible.pop()
        yield answered("accelerator-count", "accelerators", asked.count, f"{len(left)}{others}", fits=fits)
    else:
        reason = f"of {len(left)} only {len(sure)} say what they are"
        yield unanswered("accelerator-count", "accelerators", asked.count, Unknown(reason=reason))


def _steps(asked: AcceleratorClass) -> Iterator[_Step]:
    if asked.models:
        wanted = " or ".join(asked.models)
        yield _Step("accelerator-model", wanted, lambda one: _state(_meant(asked, one)), lambda one: one.name)
    slices = any(map(is_slice, asked.models))
    yield _Step(
        "accelerator-mig",
        "whole devices" if asked.models and not slices else "a device or a slice of one",
        lambda one: _state(not one.mig or (bool(one.mig_profile) and (slices or not asked.models))),
        lambda one: f"MIG {one.mig_profile or 'without any slice'}" if one.mig else "whole",
        "nvidia-smi -mig 0",
    )
    if asked.memory_gib is not None:
        memory = parse_constraint(asked.memory_gib, GIB)
        yield _Step(
            "accelerator-memory",
            f"{asked.memory_gib} GiB",
            lambda one: _state(holds_memory(memory, one.memory)) if one.memory else "unknown",
            lambda one: gib(one.memory) if one.memory else f"{one.name} does not say how much memory it has",
        )
    if asked.compute_capability is not None:
        capability = parse_constraint(asked.compute_capability, CAPABILITY)
        yield _Step(
            "accelerator-capability",
            asked.compute_capability,
            lambda one: _state(capability.admits(one.compute_capability)) if one.compute_capability else "unknown",
            lambda one: one.compute_capability or f"{one.name} does not say its compute capability",
        )


def _meant(asked: AcceleratorClass, device: Accelerator) -> bool:
    return any(means(model, device.name) or model.casefold() == device.model.casefold() for model in asked.models)


def _driver(asked: AcceleratorClass, seen: Accelerators) -> Iterator[Answer]:
    if asked.driver is None:
        return
    # With devices of two makers the driver that is told is NVIDIA's.
    own = seen.driver if asked.kind == "nvidia" or all(one.kind == "amd" for one in seen.devices) else ""
    try:
        fits = _admits(asked.driver, DRIVER, own)
    except ValueError:
        reason = f"the version of the driver is {own!r}" if own else "the driver does not say its version"
        yield unanswered("accelerator-driver", "driver", asked.driver, Unknown(reason=reason))
    else:
        hint = f"Install {_MAKERS[asked.kind]} driver {asked.driver}."
        yield answered("accelerator-driver", "driver", asked.driver, own, fits=fits, hint=hint)


def _admits(text: str, scale: Scale, value: str) -> bool:
    return parse_constraint(text, scale).admits(value)


def _named(devices: Iterable[Accelerator]) -> str:
    return _several(device.name for device in devices)


def _several(texts: Iterable[str]) -> str:
    """Return texts once each, with how often they came: `8 x NVIDIA A100-SXM4-80GB`."""
    given = list(texts)
    counts = {text: given.count(text) for text in given}
    return ", ".join(text if count == 1 else f"{count} x {text}" for text, count in counts.items())


def _state(fits: bool) -> State:
    return "yes" if fits else "no"
