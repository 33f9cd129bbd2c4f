"""Known numerical changes: the files that are shipped, and what is told of a step between releases."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from packaging.version import Version

import envlock
from envlock.model.fact import REACHES, Fact, told
from envlock.report.facts import MOST, fact_lines
from envlock.report.style import plain
from envlock.verify import known
from envlock.verify.known import fact_about_setting, facts_of
from tests.unit.known_tables import known_tables as known_tables

CHANGES = Path(envlock.__file__).parent / "data/changes"
HOSTS = (
    "docs.jax.dev",
    "docs.pytorch.org",
    "github.com",
    "keras.io",
    "numpy.org",
    "pytorch.org",
    "scikit-learn.org",
    "www.tensorflow.org",
)


def spans(package: str, one: str, other: str) -> list[tuple[str, str]]:
    """Return the releases of what is told, in order."""
    return [(fact.before, fact.after) for fact in facts_of({package: (one, other)}).get(package, ())]


@pytest.mark.parametrize("path", sorted(CHANGES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_row_has_its_source(path: Path) -> None:
    """A change came with a release, by a link to its project; or it was measured, and counted."""
    table = msgspec.toml.decode(path.read_bytes(), type=known._Table)
    for row in table.change:
        assert bool(row.release) != bool(row.before and row.after), row
        assert bool(row.link) == bool(row.release) == (row.differ is None), row
        assert row.reach in REACHES, row
        assert re.fullmatch(r"\S.*[^.]\.", row.text), row.text
        if row.link:
            assert row.what, row
            assert re.match(rf"https://({'|'.join(map(re.escape, HOSTS))})/", row.link), row.link
            assert Version(row.release)
        else:
            assert Version(row.before) < Version(row.after), row
            assert row.conditions, row
            assert 0 <= (row.differ or 0) <= row.probes, row
    for setting in table.setting:
        assert (setting.differ is not None) != bool(setting.link), setting
    said = [(row.last, row.before, row.text) for row in table.change]
    assert len(set(said)) == len(said)


@pytest.mark.parametrize(
    ("name", "least"),
    [("numpy", 15), ("tensorflow", 15), ("torch", 15), ("jax", 15), ("scikit-learn", 25), ("keras", 5)],
)
def test_how_much_is_known(name: str, least: int) -> None:
    """Of each framework enough that a jump over a few releases is not told as nothing."""
    table = msgspec.toml.decode((CHANGES / f"{name}.toml").read_bytes(), type=known._Table)
    assert len(table.change) >= least


@pytest.mark.usefixtures("known_tables")
@pytest.mark.parametrize(
    ("package", "one", "other", "expected"),
    [
        ("tensorflow", "2.5.0", "2.6.0", [("2.5.0", "2.6.0")]),
        ("tensorflow", "2.6.0", "2.5.0", [("2.5.0", "2.6.0")]),
        ("tensorflow", "2.5.3", "2.6.1", [("2.5.0", "2.6.0")]),
        ("tensorflow-cpu", "2.5.0", "2.16.1", [("2.6.0", "2.7.0"), ("2.5.0", "2.6.0"), ("", "2.9.0"), ("", "2.12.0")]),
        ("tensorflow", "2.5.0", "2.5.3", []),
        ("tensorflow", "2.9.0", "2.9.1", []),
        ("tensorflow", "2.8.4", "2.9.0rc1", [("", "2.9.0")]),
        ("tensorflow", "2.2", "2.3.0", [("", "2.3")]),
        ("tensorflow", "2.3.0", "2.3.4", []),
        ("numpy", "1.19.5", "1.21.0", [("1.19.5", "1.21.6")]),
        ("numpy", "1.20.0", "1.21.0", []),
        ("six", "1.15.0", "1.16.0", []),
        ("numpy", "not a version", "1.21.0", []),
        ("numpy", "1.19.5 and 1.19.4", "1.21.0", []),
    ],
)
def test_what_a_step_brings(package: str, one: str, other: str, expected: list[tuple[str, str]]) -> None:
    """A fact is told where its release lies in the step, in either direction; the weightiest come first."""
    assert spans(package, one, other) == expected


@pytest.mark.usefixtures("known_tables")
def test_told_once() -> None:
    """Packages of one project tell of a change once, the first of them that reaches it."""
    found = facts_of({"jaxlib": ("0.4.30", "0.5.0"), "jax": ("0.4.30", "0.5.0"), "tensorflow-cpu": ("2.6.0", "2.7.0")})
    assert {name: len(facts) for name, facts in found.items()} == {"jax": 1, "tensorflow-cpu": 1}
    assert list(facts_of({"jaxlib": ("0.4.30", "0.5.0"), "jax": ("0.5.0", "0.5.1")})) == ["jaxlib"]


@pytest.mark.usefixtures("known_tables")
def test_settings() -> None:
    """Of several frameworks that are there, the one that a setting changes most is told, with how it is known."""
    text = "With another number of threads sums are taken in another order: matmul, conv3d, gradients and all training"
    count = "24 of 171 probes differ; TensorFlow 2.5.0, from 1 to 2 threads; measured by envlock"
    assert fact_about_setting("threads") == f"{text} ({count})."
    assert fact_about_setting("threads", ["numpy", "tensorflow"]) == f"{text} ({count})."
    assert fact_about_setting("threads", ["numpy"]).startswith("Sums of NumPy")
    assert fact_about_setting("threads", ["six"]) == ""
    assert fact_about_setting("TF_ENABLE_ONEDNN_OPTS").endswith("(https://example.com/onednn).")


def facts(number: int) -> list[Fact]:
    """Return facts of one release after the other."""
    return [
        Fact(
            subject="NumPy",
            before="",
            after=f"2.{at}.0",
            text=f"It rounds {at}.",
            reach="some",
            source="https://example.com",
        )
        for at in range(number)
    ]


def test_long_steps_stay_readable() -> None:
    """The weightiest are told whole, the others counted; --verbose lists all."""
    lines = list(fact_lines(facts(MOST + 2), "1.0", "2.9", "  ", plain, 80, everything=False))
    assert lines[:2] == ["  since 2.0.0: It rounds 0.", "  (https://example.com)"]
    assert lines[-1] == "  And 2 more known changes of numbers; --verbose lists them"
    assert len(list(fact_lines(facts(MOST + 2), "1.0", "2.9", "  ", plain, 80, everything=True))) == 2 * (MOST + 2)
    assert told(facts(2), "1.0", "2.9", 1) == (
        "NumPy since 2.0.0: It rounds 0 (https://example.com). And 1 more known change of numbers."
    )


@pytest.mark.usefixtures("known_tables")
def test_one_sentence() -> None:
    """What was measured between the very releases of a step needs not say them again."""
    assert told(facts_of({"numpy": ("1.19.5", "1.21.6")})["numpy"], "1.21.6", "1.19.5", 2) == (
        "linalg.svd, eigh and cholesky differ in the last bits "
        "(3 of 56 probes differ; CPU, one thread; measured by envlock)."
    )
