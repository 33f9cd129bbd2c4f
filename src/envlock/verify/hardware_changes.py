"""What changes from one lock to another in the hardware that it needs and asks for."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from envlock.model.change import Area, Change, change_of
from envlock.model.finding import Impact
from envlock.model.hardware import HardwareClass
from envlock.model.influence import ACCELERATOR_RANK
from envlock.model.lock import Lock

_CLASS_RANK = 90
_FACTS: dict[str, tuple[str, str, Impact]] = {
    "cuda": ("CUDA", "Kernels are compiled and chosen anew: sums are taken in another order on the GPU.", "results"),
    "cudnn": ("cuDNN", "Its heuristics choose other convolution and attention algorithms.", "results"),
    "nccl": ("NCCL", "Gradients of several GPUs are summed in another order.", "results"),
    "rocm": ("ROCm", "Kernels are compiled and chosen anew: sums are taken in another order on the GPU.", "results"),
    "gpu_targets": ("GPU targets", "GPUs without code of their own run other kernels, or none.", "compat"),
    "minimum_driver": ("minimum driver", "Machines with an older NVIDIA driver cannot run it.", "compat"),
    "minimum_glibc": ("minimum glibc", "Systems with an older glibc cannot install it.", "compat"),
}
"""Field of the facts to its title, why it matters, and what it changes."""


def hardware_changes(old: Lock, new: Lock) -> Iterator[Change]:
    """Yield changes of the facts, of where CUDA comes from, and of the hardware classes."""
    for field, (title, why, impact) in _FACTS.items():
        yield from _change("accelerator", title, _text(old, field), _text(new, field), why, impact, ACCELERATOR_RANK)
    why = "Where the CUDA libraries come from."
    yield from _change("accelerator", "cuda", old.cuda or "", new.cuda or "", why, "compat", ACCELERATOR_RANK)
    why = "Which machines the environment may run on."
    for name in sorted({*old.hardware, *new.hardware}):
        one, other = (_asked(lock.hardware[name]) if name in lock.hardware else "" for lock in (old, new))
        yield from _change("lock", f"hardware.{name}", one, other, why, "compat", _CLASS_RANK)


def _change(area: Area, subject: str, before: str, after: str, why: str, impact: Impact, rank: int) -> Iterator[Change]:
    if before != after:
        yield change_of(area, subject, before, after, why, impact, rank)


def _text(lock: Lock, field: str) -> str:
    value = getattr(lock.facts, field)
    return " ".join(value) if isinstance(value, tuple) else str(value or "")


def _asked(hardware: HardwareClass) -> str:
    """Return a class in one line, such as `cpus >=8, accelerator nvidia, models A100 or V100`."""
    parts = []
    for record in (hardware, hardware.accelerator):
        for field in msgspec.structs.fields(record) if record is not None else ():
            value = getattr(record, field.name)
            if value and field.name != "accelerator":
                key = "accelerator" if field.name == "kind" else field.encode_name
                parts.append(f"{key} {' or '.join(value) if isinstance(value, tuple) else value}")
    return ", ".join(parts) or "any machine"
