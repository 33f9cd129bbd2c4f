"""Variables that hide accelerators from programs: the machine has them, and nothing that is started sees them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from envlock.model.factors import MARKER, variables_here
from envlock.model.machine import Accelerators
from envlock.model.observation import Observation
from envlock.model.terms import Terms
from envlock.verify.case import Case
from envlock.verify.judgement import verdict_of
from envlock.verify.visible import as_programs_see
from tests.unit.machines import replay
from tests.unit.test_hardware_rules import A100, lock


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ("", 0),
        ("-1", 0),
        ("0", 1),
        ("0,1, 2", 3),
        ("0,-1,2", 1),
        ("9", 0),
        ("GPU-3a", 1),
        ("NoDevFiles", 1),
        ("0,,1", 1),
    ],
)
def test_devices_that_are_left(value: str, left: int) -> None:
    """CUDA takes what is listed until the first entry that names none."""
    found = as_programs_see(replay("h100-8"), {"CUDA_VISIBLE_DEVICES": value}).accelerators
    assert isinstance(found, Accelerators)
    assert len(found.devices) == left


@pytest.mark.parametrize(("value", "code"), [("0", 0), ("", 1), ("-1", 1)])
def test_a_class_is_of_what_programs_see(value: str, code: int) -> None:
    """With --on a GPU that is hidden is none; a plain shell's variables hide nothing from a lock's own classes."""
    made = lock({"a100": {"accelerator": A100["accelerator"]}}, policy="bitwise")
    shell = variables_here({"CUDA_VISIBLE_DEVICES": value})
    observation = Observation(target=".venv", full=False, environment=None, machine=replay("a100"), variables=shell)
    found = verdict_of(Case(made, observation, terms=Terms(on="a100"), subject="demo"))
    told = [one for one in found.findings if one.rule == "accelerator-kind"]
    assert len(told) == code
    if told:
        assert told[0].found == f"none (CUDA_VISIBLE_DEVICES={value!r} hides devices)"
        assert told[0].fix == "unset CUDA_VISIBLE_DEVICES"
    plain = verdict_of(Case(made, observation, subject="demo"))
    assert "hardware-class" not in {one.rule for one in plain.findings}
    marked = variables_here({"CUDA_VISIBLE_DEVICES": value, MARKER: "it"})
    run = verdict_of(Case(made, replace(observation, variables=marked), subject="demo"))
    assert ("hardware-class" in {one.rule for one in run.findings}) is bool(code)
