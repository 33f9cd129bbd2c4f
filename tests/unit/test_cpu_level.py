"""Generic levels of CPUs, held against archspec: its order, and the machines that its own tests record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import archspec
import pytest
from archspec.cpu import TARGETS
from hypothesis import given
from hypothesis import strategies as st

from envlock.model.cpu_level import PARENTS, holds, level_of, levels_of

RECORDED = Path(archspec.__file__).parent / "json" / "tests" / "targets"
ELSEWHERE = {
    # archspec goes by the model. Both have all that ARMv8.5 and 8.6 add but branch target identification, whose
    # instructions do nothing on a CPU without it.
    "linux-asahi-m1": "armv8.5a",
    "linux-asahi-m2": "armv8.6a",
}


def own(name: str) -> str:
    return name.replace("_", "-") if name.startswith("x86") else name


def test_the_order_is_archspecs() -> None:
    """Each generic level of both architectures extends the same others."""
    theirs = {
        own(name): tuple(own(parent.name) for parent in target.parents)
        for name, target in TARGETS.items()
        if target.vendor == "generic" and target.family.name in ("x86_64", "aarch64")
    }
    assert theirs == PARENTS


def machines() -> Iterator[tuple[str, str, str]]:
    for path in sorted(RECORDED.glob("linux-*")):
        name = path.name.rpartition("-")[2]
        text = path.read_text("utf-8")
        if name in TARGETS and TARGETS[name].family.name in ("x86_64", "aarch64"):
            flags = next(line for line in text.splitlines() if line.startswith(("flags", "Features")))
            yield path.name, TARGETS[name].family.name, flags.partition(":")[2]


@pytest.mark.parametrize(
    ("name", "architecture", "flags"), list(machines()), ids=lambda text: text if len(text) < 40 else ""
)
def test_recorded_cpus_have_archspecs_level(name: str, architecture: str, flags: str) -> None:
    """The level that features tell is that of the microarchitecture that archspec knows them for."""
    expected = ELSEWHERE.get(name, own(TARGETS[name.rpartition("-")[2]].generic.name))
    assert level_of(architecture, flags.split()) == expected


def test_levels_of_one_cpu_need_not_be_in_one_line() -> None:
    """A Neoverse V2 is ARMv9.0 and has what ARMv8.6 adds, which ARMv9.0 does not hold."""
    flags = next(flags for name, _, flags in machines() if name == "linux-ubuntu22.04-neoverse_v2")
    assert levels_of("aarch64", flags.split())[-2:] == ("armv8.6a", "armv9.0a")
    assert not holds("armv9.0a", "armv8.6a")
    assert holds("armv9.2a", "armv8.6a")


def test_haswell_and_zen_3_are_of_one_level() -> None:
    """Neither descends from the other, and both run x86-64-v3."""
    assert not TARGETS["haswell"] <= TARGETS["zen3"]
    found = {name: flags for name, _, flags in machines()}
    for name in ("linux-rhel7-haswell", "linux-ubuntu20.04-zen3"):
        assert level_of("x86_64", found[name].split()) == "x86-64-v3"


@pytest.mark.parametrize("architecture", ["ppc64le", "riscv64", "s390x", ""])
def test_other_architectures_have_no_level(architecture: str) -> None:
    """Nothing is said of what has no levels."""
    assert level_of(architecture, {"lm", "asimd"}) == ""


@given(st.sampled_from(list(machines())), st.data())
def test_without_a_feature_no_level_is_gained(machine: tuple[str, str, str], data: st.DataObject) -> None:
    """Hiding features never makes a CPU reach more."""
    _, architecture, flags = machine
    features = set(flags.split())
    fewer = features - data.draw(st.sets(st.sampled_from(sorted(features))))
    assert set(levels_of(architecture, fewer)) <= set(levels_of(architecture, features))
