"""Named hardware classes: constraints on the machine that an environment may run on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from envlock.errors import UsageError, did_you_mean
from envlock.model import cpu_level, records
from envlock.model.constraint import CAPABILITY, COUNT, DRIVER, GIB, Scale, parse_constraint


class AcceleratorClass(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """The accelerator that a class asks for. Constraints are operators and numbers, such as `>=16`."""

    kind: Literal["nvidia", "amd", "none"]
    models: tuple[str, ...] = ()
    """Any of these, as whole words of the product's name (`model.gpu_name.means`): A100, H100, L4."""
    count: str | None = None
    memory_gib: str | None = None
    driver: str | None = None
    """Of the kernel driver: `>=535`."""
    compute_capability: str | None = None
    """Such as `>=8.0`."""


class HardwareClass(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """[hardware.NAME] of a manifest, normalised in a lock."""

    cpu_level: str | None = None
    """A generic level of x86-64 or AArch64: `>=x86-64-v3`."""
    cpu_features: tuple[str, ...] = ()
    """Features by their Linux names, such as avx512_vnni."""
    cpus: str | None = None
    memory_gib: str | None = None
    accelerator: AcceleratorClass | None = None


class Facts(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """What the locked artifacts themselves say of the hardware they need; never of the machine that ran `lock`."""

    cuda: str | None = None
    """CUDA runtime, such as 12.8."""
    cudnn: str | None = None
    nccl: str | None = None
    rocm: str | None = None
    gpu_targets: tuple[str, ...] = ()
    """GPU code the framework carries, such as sm_80, compute_90, gfx942."""
    minimum_driver: str | None = None
    """Of NVIDIA's Linux driver, for the CUDA runtime."""
    minimum_glibc: str | None = None
    sources: dict[str, str] = {}
    """For each fact above, by its key here, the artifact that says so: `nvidia-cuda-runtime-cu12 12.8.90`."""


SCALES: dict[str, Scale] = {
    "cpus": COUNT,
    "memory-gib": GIB,
    "accelerator.count": COUNT,
    "accelerator.memory-gib": GIB,
    "accelerator.driver": DRIVER,
    "accelerator.compute-capability": CAPABILITY,
}
"""The keys whose values are constraints."""

_LEVEL = re.compile(r"(>=|==)\s*([A-Za-z0-9._-]+)")
_FEATURE = re.compile(r"[a-z0-9_.]+")
_LISTS = ("cpu-features", "accelerator.models")


def parse_hardware(name: str, table: Mapping[str, Any], where: str) -> HardwareClass:
    """Check [hardware.NAME] and normalise it: any order of keys, list items and clauses gives the same class.

    `where` is the manifest. Raises UsageError (`unknown-key`, `bad-manifest`) with the key, expected and found.
    """
    place = f"{where}: hardware.{name}"
    _table(table, HardwareClass, place)
    accelerator = table.get("accelerator")
    if accelerator is not None:
        _table(accelerator, AcceleratorClass, f"{place}.accelerator")
    flat = {key: value for key, value in table.items() if key != "accelerator"}
    flat |= {f"accelerator.{key}": value for key, value in (accelerator or {}).items()}
    normal = {key: _normalised(key, value, f"{place}.{key}") for key, value in sorted(flat.items())}
    inner = {key.partition(".")[2]: value for key, value in normal.items() if key.startswith("accelerator.")}
    outer: dict[str, Any] = {key: value for key, value in normal.items() if not key.startswith("accelerator.")}
    if accelerator is not None:
        _check_kind(inner, f"{place}.accelerator")
        outer["accelerator"] = inner
    return records.convert(outer, HardwareClass)


def _table(table: Any, kind: type[msgspec.Struct], where: str) -> None:
    if not isinstance(table, Mapping):
        raise _bad(where, "This is not a table.", expected="keys and values", found=repr(table))
    known = sorted(field.encode_name for field in msgspec.structs.fields(kind))
    for key in table:
        if key not in known:
            raise UsageError(
                "unknown-key",
                f"The manifest has an unknown key {key!r}.",
                where=where,
                expected="one of: " + ", ".join(known),
                found=key,
                hint=did_you_mean(key, known),
            )


def _bad(where: str, what: str, *, expected: str = "", found: str = "", hint: str = "") -> UsageError:
    return UsageError("bad-manifest", what, where=where, expected=expected, found=found, hint=hint)


def _normalised(key: str, value: Any, where: str) -> str | tuple[str, ...]:
    if key in _LISTS:
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list | tuple) or not all(isinstance(item, str) and item.strip() for item in names):
            raise _bad(where, "This is not a list of names.", expected="a list of strings", found=repr(value))
        return _features(names, where) if key == "cpu-features" else _any_of(names)
    if not isinstance(value, str):
        example = SCALES[key].example if key in SCALES else ">=x86-64-v3" if key == "cpu-level" else "nvidia"
        hint = f'Write "=={value}" for exactly that, ">={value}" for at least that.' if isinstance(value, int) else ""
        raise _bad(where, "This is not a string.", expected=f'such as "{example}"', found=repr(value), hint=hint)
    if key == "cpu-level":
        return _level(value, where)
    if key == "accelerator.kind":
        if value not in ("nvidia", "amd", "none"):
            raise _bad(where, "No accelerator is of that kind.", expected='"nvidia", "amd" or "none"', found=value)
        return value
    try:
        return str(parse_constraint(value, SCALES[key]))
    except ValueError as error:
        raise _bad(
            where,
            "This is not a constraint that a machine can satisfy.",
            expected=f'such as "{SCALES[key].example}", clauses joined by commas',
            found=str(error),
        ) from None


def _any_of(names: Iterable[str]) -> tuple[str, ...]:
    """Return names without duplicates, which differ in more than case or spaces, sorted."""
    spelled: dict[str, str] = {}
    for name in sorted(" ".join(name.split()) for name in names):
        spelled.setdefault(name.casefold(), name)
    return tuple(spelled[key] for key in sorted(spelled))


def _features(names: Iterable[str], where: str) -> tuple[str, ...]:
    found = sorted({name.strip().lower() for name in names})
    for name in found:
        if not _FEATURE.fullmatch(name):
            raise _bad(
                where,
                "This is not the name of a CPU feature.",
                expected="names as /proc/cpuinfo has them, such as avx512_vnni",
                found=name,
                hint=f"Did you mean {re.sub(r'[^a-z0-9_.]+', '_', name)!r}?",
            )
    return tuple(found)


def _level(text: str, where: str) -> str:
    match = _LEVEL.fullmatch(text.strip())
    known = cpu_level.PARENTS
    level = match[2].lower().replace("_", "-") if match else ""
    if match is None or level not in known:
        import difflib

        near = difflib.get_close_matches(level or text.strip().lower(), known, 1)
        raise _bad(
            where,
            "This is not a level of CPUs.",
            expected=">= or == and one of: " + ", ".join(sorted(known)),
            found=text,
            hint=f'Did you mean ">={near[0]}"?' if near else "",
        )
    return match[1] + level


def _check_kind(accelerator: Mapping[str, Any], where: str) -> None:
    kind = accelerator.get("kind")
    others = sorted(key for key in accelerator if key != "kind")
    if kind is None:
        raise _bad(where, "The accelerator has no kind.", expected='kind = "nvidia", "amd" or "none"')
    if kind == "none" and others:
        raise _bad(
            where,
            'kind = "none" asks for a machine without accelerator, of which nothing else can be asked.',
            expected='{ kind = "none" }',
            found=", ".join(others),
        )
    if kind == "amd" and "compute-capability" in accelerator:
        raise _bad(
            where,
            "Compute capabilities are NVIDIA's.",
            expected='kind = "nvidia", or models for AMD',
            found="compute-capability",
        )
