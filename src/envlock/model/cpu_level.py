"""Generic levels of CPUs: which there are, which of them holds another, and which a CPU reaches."""

from __future__ import annotations

from collections.abc import Collection

PARENTS: dict[str, tuple[str, ...]] = {
    "x86-64": (),
    "x86-64-v2": ("x86-64",),
    "x86-64-v3": ("x86-64-v2",),
    "x86-64-v4": ("x86-64-v3",),
    "aarch64": (),
    "armv8.1a": ("aarch64",),
    "armv8.2a": ("armv8.1a",),
    "armv8.3a": ("armv8.2a",),
    "armv8.4a": ("armv8.3a",),
    "armv8.5a": ("armv8.4a",),
    "armv8.6a": ("armv8.5a",),
    "armv9.0a": ("armv8.5a",),
    "armv9.2a": ("armv9.0a", "armv8.6a"),
}
"""Each level and those that it extends, from low to high, as archspec has them (a test holds the two together)."""

_FEATURES: dict[str, str] = {
    "x86-64": "lm",
    # psABI x86-64, "Micro-Architecture Levels", by the names of /proc/cpuinfo: lzcnt is abm.
    "x86-64-v2": "cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3",
    "x86-64-v3": "abm avx avx2 bmi1 bmi2 f16c fma movbe xsave",
    "x86-64-v4": "avx512bw avx512cd avx512dq avx512f avx512vl",
    "aarch64": "asimd",
    # Arm ARM (DDI 0487), A2: what is mandatory from a version on and has a hwcap. Left out is what kernels and
    # hypervisors hide from programs that compute the same without: pointer authentication, BTI and DIT.
    "armv8.1a": "asimdrdm atomics crc32",
    "armv8.2a": "dcpop",
    "armv8.3a": "fcma jscvt lrcpc",
    "armv8.4a": "asimddp flagm ilrcpc uscat",
    "armv8.5a": "flagm2 frint sb",
    "armv8.6a": "bf16 i8mm",
    "armv9.0a": "sve2",
    "armv9.2a": "wfxt",
}
"""What each level adds to those that it extends."""

_ROOTS = {"x86_64": "x86-64", "amd64": "x86-64", "aarch64": "aarch64", "arm64": "aarch64"}


def holds(level: str, other: str) -> bool:
    """Tell whether a CPU of `level` runs whatever was compiled for `other`."""
    return level == other or any(holds(parent, other) for parent in PARENTS.get(level, ()))


def levels_of(architecture: str, features: Collection[str]) -> tuple[str, ...]:
    """Return every level whose features a CPU has, from low to high, by the Linux names of its features.

    What it has counts, and not what it is: a virtual machine may hide features, and programs go by what they see.
    Empty where the architecture has no levels, or no features are known.
    """
    root = _ROOTS.get(architecture.lower(), "")
    reached: list[str] = []
    for level, parents in PARENTS.items():
        grounded = set(parents) <= set(reached) if parents else level == root
        if grounded and all(name in features for name in _FEATURES[level].split()):
            reached.append(level)
    return tuple(reached)


def level_of(architecture: str, features: Collection[str]) -> str:
    """Return the highest level that a CPU reaches, empty where none is known."""
    return "".join(levels_of(architecture, features)[-1:])
