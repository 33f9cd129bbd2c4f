"""Hardware classes: what a manifest may ask for, and the one spelling that a lock has for it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envlock.errors import UsageError
from envlock.model.constraint import CAPABILITY, COUNT, DRIVER, GIB, Scale, parse_constraint
from envlock.model.gpu import common, covers, in_order
from envlock.model.hardware import SCALES, HardwareClass, parse_hardware

A100 = {
    "cpu-level": ">= x86_64_v3",
    "cpu-features": ["avx512_vnni", "AVX2"],
    "cpus": ">=8",
    "memory-gib": ">=64",
    "accelerator": {
        "kind": "nvidia",
        "models": ["V100", " A100", "a100"],
        "count": ">0",
        "memory-gib": "<80.0, >=16",
        "driver": ">=450.80.2",
        "compute-capability": ">=7",
    },
}


def test_normalised_class() -> None:
    """Spaces, order, repetition and spellings of numbers are gone."""
    assert msgspec.to_builtins(parse_hardware("a100", A100, "envlock.toml")) == {
        "cpu-level": ">=x86-64-v3",
        "cpu-features": ("avx2", "avx512_vnni"),
        "cpus": ">=8",
        "memory-gib": ">=64",
        "accelerator": {
            "kind": "nvidia",
            "models": ("A100", "V100"),
            "count": ">=1",
            "memory-gib": ">=16,<80",
            "driver": ">=450.80.02",
            "compute-capability": ">=7.0",
        },
    }


@given(st.permutations(list(A100)), st.permutations(list(A100["accelerator"])), st.permutations(["a", "B", "c", "b"]))
def test_order_does_not_matter(outer: list[str], inner: list[str], models: list[str]) -> None:
    """Any order of keys and of list items gives the same class."""
    accelerator: Any = A100["accelerator"]
    table = {key: A100[key] for key in outer}
    table["accelerator"] = {key: models if key == "models" else accelerator[key] for key in inner}
    found = parse_hardware("x", table, "envlock.toml")
    assert found.accelerator is not None
    assert found.accelerator.models == ("a", "B", "c")
    assert msgspec.structs.replace(found.accelerator, models=("A100", "V100")) == (
        parse_hardware("x", A100, "envlock.toml").accelerator
    )


def test_a_normalised_class_stays() -> None:
    """What a lock holds parses to itself."""
    found = parse_hardware("x", A100, "envlock.toml")
    assert parse_hardware("x", _without_none(msgspec.to_builtins(found)), "envlock.toml") == found


def _without_none(table: dict[str, Any]) -> dict[str, Any]:
    return {k: _without_none(v) if isinstance(v, dict) else v for k, v in table.items() if v is not None}


def test_an_empty_class_asks_for_nothing() -> None:
    """Every key is optional."""
    assert parse_hardware("any", {}, "envlock.toml") == HardwareClass()


NUMBERS: dict[str, tuple[Scale, Any]] = {
    "count": (COUNT, st.integers(0, 40).map(str)),
    "gib": (GIB, st.decimals(Decimal(0), Decimal(40), places=1).map(str)),
    "driver": (DRIVER, st.lists(st.integers(0, 30), min_size=1, max_size=3).map(lambda v: ".".join(map(str, v)))),
    "capability": (CAPABILITY, st.tuples(st.integers(1, 12), st.integers(0, 9)).map(lambda v: f"{v[0]}.{v[1]}")),
}


@pytest.mark.parametrize("name", NUMBERS)
@given(data=st.data())
def test_canonical_spelling(name: str, data: st.DataObject) -> None:
    """The spelling parses to itself, is the same for every order of clauses, and admits the same values."""
    scale, values = NUMBERS[name]
    clause = st.tuples(st.sampled_from([">=", ">", "==", "<", "<="]), values)
    clauses = data.draw(st.lists(clause, min_size=1, max_size=4))
    value = data.draw(values)
    expected = all(_holds(scale, value, operator, bound) for operator, bound in clauses)
    try:
        found = parse_constraint(",".join(f" {op} {bound}" for op, bound in clauses), scale)
    except ValueError as error:
        assert "no value satisfies" in str(error)
        assert not expected
        return
    assert str(parse_constraint(str(found), scale)) == str(found)
    shuffled = data.draw(st.permutations(clauses))
    assert str(parse_constraint(",".join(op + bound for op, bound in shuffled), scale)) == str(found)
    assert found.admits(value) == expected


def _holds(scale: Scale, value: str, operator: str, bound: str) -> bool:
    one: Any = scale.parse(value)
    other: Any = scale.parse(bound)
    return bool(
        {">=": one >= other, ">": one > other, "==": one == other, "<": one < other, "<=": one <= other}[operator]
    )


@pytest.mark.parametrize(
    ("text", "scale", "canonical"),
    [
        (">=64", GIB, ">=64"),
        ("<64,>=16.50", GIB, ">=16.5,<64"),
        (">=8,<=8", GIB, "==8"),
        (">7,<9", COUNT, "==8"),
        ("<=8,>2", COUNT, ">=3,<9"),
        (">=535.0", DRIVER, ">=535"),
        (">=8", CAPABILITY, ">=8.0"),
    ],
)
def test_spellings(text: str, scale: Scale, canonical: str) -> None:
    """As the documentation gives them."""
    assert str(parse_constraint(text, scale)) == canonical


@pytest.mark.parametrize(
    ("table", "reference", "where", "said"),
    [
        ({"memory": ">=1"}, "unknown-key", "hardware.x", "Did you mean 'memory-gib'?"),
        ({"accelerator": {"kind": "nvidia", "model": ["A100"]}}, "unknown-key", "hardware.x.accelerator", "'models'"),
        ({"accelerator": "nvidia"}, "bad-manifest", "hardware.x.accelerator", "'nvidia'"),
        ({"accelerator": {"count": ">=1"}}, "bad-manifest", "hardware.x.accelerator", "kind"),
        ({"accelerator": {"kind": "cuda"}}, "bad-manifest", "hardware.x.accelerator.kind", "cuda"),
        ({"accelerator": {"kind": "none", "count": ">=1"}}, "bad-manifest", "hardware.x.accelerator", "count"),
        ({"accelerator": {"kind": "amd", "compute-capability": ">=8"}}, "bad-manifest", "hardware.x.acc", "NVIDIA's"),
        ({"accelerator": {"kind": "nvidia", "models": []}, "cpus": "8"}, "bad-manifest", "hardware.x.cpus", "operator"),
        ({"cpus": 8}, "bad-manifest", "hardware.x.cpus", '"==8"'),
        ({"cpus": ">=2.5"}, "bad-manifest", "hardware.x.cpus", "not a whole number"),
        ({"memory-gib": ">=10,<5"}, "bad-manifest", "hardware.x.memory-gib", "no value satisfies"),
        ({"memory-gib": ">=64 GB"}, "bad-manifest", "hardware.x.memory-gib", "not a number"),
        ({"cpu-level": ">=x86-64-v5"}, "bad-manifest", "hardware.x.cpu-level", "Did you mean"),
        ({"cpu-level": ">=haswell"}, "bad-manifest", "hardware.x.cpu-level", "x86-64-v3"),
        ({"cpu-features": ["avx-512"]}, "bad-manifest", "hardware.x.cpu-features", "avx_512"),
        ({"cpu-features": [1]}, "bad-manifest", "hardware.x.cpu-features", "[1]"),
    ],
)
def test_refused(table: dict[str, Any], reference: str, where: str, said: str) -> None:
    """An error names the key, what is expected there, and what was found."""
    with pytest.raises(UsageError) as caught:
        parse_hardware("x", table, "envlock.toml")
    assert caught.value.reference == reference
    assert caught.value.where.startswith(f"envlock.toml: {where}")
    assert said in str(caught.value)


def test_every_constraint_key_has_a_scale() -> None:
    """The examples in messages are constraints themselves."""
    for scale in SCALES.values():
        assert str(parse_constraint(scale.example, scale)) == scale.example


@pytest.mark.parametrize(
    ("targets", "target", "runs"),
    [
        ("sm_80", "sm_80", True),
        ("sm_80", "sm_86", True),
        ("sm_86", "sm_80", False),
        ("sm_80", "sm_90", False),
        ("compute_80", "sm_90", True),
        ("compute_90", "sm_86", False),
        ("sm_90a", "sm_90", True),
        ("sm_100a", "sm_103", False),
        ("sm_100f", "sm_103", True),
        ("compute_90a", "sm_100", False),
        ("sm_80", "compute_80", False),
        ("compute_80", "compute_90", True),
        ("gfx90a:xnack-", "gfx90a", True),
        ("gfx942", "gfx90a", False),
        ("sm_75 sm_80 sm_86 sm_90 sm_100 sm_120", "sm_70", False),
        ("sm_35 sm_50 sm_60 sm_70 sm_75 compute_80", "sm_120", True),
    ],
)
def test_gpu_code_runs(targets: str, target: str, runs: bool) -> None:
    """Machine code runs within its major version, PTX on everything newer, AMD's on its own."""
    assert covers(targets.split(), target) == runs


def test_two_frameworks_run_where_both_do() -> None:
    """The targets of an environment of two frameworks are those that both cover."""
    torch = ["sm_75", "sm_80", "sm_90", "sm_120"]
    tensorflow = ["sm_60", "sm_70", "sm_80", "sm_89", "compute_90"]
    found = common(torch, tensorflow)
    assert found == common(tensorflow, torch) == ("sm_75", "sm_80", "sm_89", "sm_90", "sm_120")


def test_order_of_targets() -> None:
    """Machine code, PTX, AMD; old before new."""
    assert in_order(["gfx942", "compute_80", "sm_100", "sm_90", "sm_90"]) == ("sm_90", "sm_100", "compute_80", "gfx942")
