"""What is known of CUDA, GPUs and the builds of frameworks, from data/cuda.toml."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files as resources
from typing import Literal

import msgspec

from envlock.model import records


class Framework(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the wheels of a framework say what they were built for."""

    names: tuple[str, ...]
    text: tuple[str, ...]
    """Python modules of plain assignments; the first that is there counts."""
    library: tuple[str, ...] = ()
    """Shared objects that hold the list of GPU architectures as one string."""
    carries: bool
    """Whether the wheel brings the CUDA or ROCm libraries itself, where no other wheel does."""


class Pattern(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Distributions whose name or version says which release of a library they are, or are for."""

    fact: Literal["cuda", "cudnn", "nccl", "rocm"]
    pattern: str


class Known(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """The whole table."""

    minimum_driver: dict[str, str]
    compute_capability: dict[str, str]
    gfx_target: dict[str, str]
    silent: tuple[str, ...]
    framework: tuple[Framework, ...]
    named: tuple[Pattern, ...]
    library: tuple[Pattern, ...]


@cache
def known() -> Known:
    """Return the table, read once."""
    return records.from_toml((resources("envlock") / "data/cuda.toml").read_bytes(), Known)


def framework_of(package: str) -> Framework | None:
    """Return where wheels of that normalised name say what they were built for."""
    return next((row for row in known().framework if package in row.names), None)


def library_of(package: str) -> str | None:
    """Return which fact the version of one of NVIDIA's own wheels is."""
    return next((row.fact for row in known().library if re.fullmatch(row.pattern, package)), None)


def named_by(package: str, version: str) -> tuple[str, str] | None:
    """Return the fact that name and version of a distribution tell, such as (cuda, 11.8) for torch 2.1.0+cu118."""
    for row in known().named:
        match = re.fullmatch(row.pattern, f"{package} {version}")
        if match is not None:
            return row.fact, release_of(match["version"], row.fact) or match["version"]
    return None


def release_of(text: str, fact: str) -> str | None:
    """Return a release as `major.minor` from `11.2`, `12.5.1`, `112`, `6.2.41133-dd7f95766`; None for no version."""
    match = re.match(r"(?:64_)?(\d+)(?:\.(\d+))?", text)
    if match is None:
        return None
    major, minor = match[1], match[2]
    # CUDA has had two digits since 10, ROCm has one.
    width = 1 if fact == "rocm" or major[0] in "6789" else 2
    if minor is None and len(major) > width:
        major, minor = major[:width], major[width:]
    return major if minor is None else f"{major}.{minor}"


def minimum_driver(cuda: str) -> str | None:
    """Return the oldest Linux driver that runs a CUDA release; None for one that the table doesn't know."""
    major = cuda.partition(".")[0]
    table = known().minimum_driver
    return table.get(cuda) or table.get(major)


def model_entry(model: str, table: Mapping[str, str]) -> str | None:
    """Return what a table says of a product: the longest of its names that stands in the model as whole words."""
    words = " ".join(model.casefold().replace("-", " ").split())
    names = [
        name
        for name in table
        if re.search(rf"(?<![a-z0-9]){re.escape(name.casefold())}(?![a-z0-9])", words) is not None
    ]
    return table[max(names, key=len)] if names else None
