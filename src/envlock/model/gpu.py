"""GPU code and the GPUs it runs on: NVIDIA's sm_XY and compute_XY, AMD's gfx names."""

from __future__ import annotations

import re
from collections.abc import Iterable

_CUDA = re.compile(r"(sm|compute)_(\d{1,2})(\d)([af]?)")


def covers(targets: Iterable[str], target: str) -> bool:
    """Tell whether code for `targets` also runs wherever code for `target` does.

    CUDA C++ Programming Guide, "Compute Capabilities": machine code (sm_XY) runs on the same major version from its
    minor version on, PTX (compute_XY) on everything from X.Y on; a suffix `a` binds code to X.Y alone, `f` to its
    family. AMD's targets are exact.
    """
    return any(_covers(one, target) for one in targets)


def _covers(one: str, target: str) -> bool:
    have, want = _CUDA.fullmatch(one), _CUDA.fullmatch(target)
    if have is None or want is None:
        return one.partition(":")[0] == target.partition(":")[0]
    here, there = (int(have[2]), int(have[3])), (int(want[2]), int(want[3]))
    if have[4] == "a":
        return here == there and (have[1] == "compute" or want[1] == "sm")
    if have[1] == "compute" and not have[4]:
        return here <= there
    return (want[1] == "sm" or have[1] == "compute") and here[0] == there[0] and here <= there


def target_of(capability: str) -> str:
    """Return the machine code made for one compute capability: sm_86 for 8.6."""
    return "sm_" + capability.replace(".", "")


def common(one: Iterable[str], other: Iterable[str]) -> tuple[str, ...]:
    """Return the targets that both sets cover: where an environment of both frameworks runs."""
    first, second = tuple(one), tuple(other)
    return in_order([*(t for t in first if covers(second, t)), *(t for t in second if covers(first, t))])


def in_order(targets: Iterable[str]) -> tuple[str, ...]:
    """Return targets without duplicates: machine code before PTX before AMD's, each from old to new."""

    def place(target: str) -> tuple[int, int, str]:
        match = _CUDA.fullmatch(target)
        kind = 2 if match is None else 0 if match[1] == "sm" else 1
        return kind, int(match[2] + match[3]) if match else 0, target

    return tuple(sorted(set(targets), key=place))
