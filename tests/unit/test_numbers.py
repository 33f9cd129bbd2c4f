"""Comparing numbers: states of probes, distances in ULPs, what a sample shows and what it cannot."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from envlock.model.number_words import because, listed, merged, outcome_of, short_name, title_of, ulps_text
from envlock.model.numbers import Row
from envlock.model.numerics import Answer, Explanation, Sample
from envlock.verify.numbers import compare, compared, distance_of
from tests.unit.numerics import failed, fingerprint, gave, numerics, probe, sample, suite

NAN, INF = math.nan, math.inf
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


def judged(expected: Answer, found: Answer, ulps: int = 4) -> tuple[str, int | None, str]:
    """Return (state, distance, reason) of one probe in its canonical pass."""
    one, other = (numerics(suite("numpy", probe("numpy.a", each))) for each in (expected, found))
    row = compare(one, other, ulps)[0]
    return row.state, row.ulps, row.reason


def raw(bits: str, dtype: str) -> Sample:
    return Sample(dtype=dtype, shape=(1,), step=1, bits=bits)


def test_equal_digests_are_equal_whatever_else() -> None:
    """A sample is not looked at where the digest of the whole agrees."""
    assert judged(gave(1.0), gave(1.0)) == ("equal", None, "")
    assert judged(gave(1.0), replace(gave(1.0), samples=())) == ("equal", None, "")


def test_near_is_within_so_many_ulps_of_every_sampled_element() -> None:
    """The furthest element decides; 0 lets nothing be near."""
    up = math.nextafter(2.0, 3.0)
    one, other = gave(1.0, 2.0, dtype="<f8"), gave(1.0, math.nextafter(up, 3.0), dtype="<f8")
    assert judged(one, other) == ("near", 2, "")
    assert judged(one, other, ulps=1) == ("diverged", 2, "")
    assert judged(one, gave(1.0, up, dtype="<f8"), ulps=0) == ("diverged", 1, "")


def test_what_no_sample_shows_diverges() -> None:
    """Where all that was sampled is the same, the difference is elsewhere, and may be of any size."""
    assert judged(gave(1.0), gave(1.0, beside="another element")) == ("diverged", None, "outside the sample")
    assert judged(gave(), gave(beside="a key")) == ("diverged", None, "outside the sample")


@pytest.mark.parametrize(
    ("expected", "found", "reason"),
    [
        (gave(1.0), gave(1.0, dtype="<f8"), "<f4 there, <f8 here"),
        (gave(1.0), gave(1.0, 1.0), "shape [1] there, [2] here"),
        (gave(1.0), replace(gave(2.0), samples=()), "1 sampled arrays there, 0 here"),
        (gave(1.0), gave(NAN), "NaN against a number"),
        (gave(INF), gave(NAN), "NaN against a number"),
        (gave(3.4e38), gave(INF), "an infinity against another number"),
        (gave(INF), gave(-INF), "an infinity against another number"),
        (gave(1, dtype="<i8"), gave(2, dtype="<i8"), "other <i8 values"),
    ],
)
def test_what_has_no_distance_diverges(expected: Answer, found: Answer, reason: str) -> None:
    """Other shapes and types, NaN, infinities, and whole numbers, which no rounding changes."""
    assert judged(expected, found, ulps=1_000_000) == ("diverged", None, reason)


@pytest.mark.parametrize(
    ("dtype", "one", "other", "steps"),
    [
        ("<f2", "003c", "013c", 1),
        ("bfloat16", "803f", "833f", 3),
        ("<f4", "0000803f", "ffff7f3f", 1),
        ("<f8", "000000000000f03f", "020000000000f03f", 2),
        ("<c8", "0000803f" + "0000803f", "0000803f" + "0200803f", 2),
        ("<c16", "000000000000f03f" * 2, "010000000000f03f" * 2, 1),
        ("<f4", "00000000", "00000080", 1),
        ("<f4", "01000000", "01000080", 3),
        ("<f4", "0100c07f", "0000c0ff", 0),
    ],
)
def test_distances_by_type(dtype: str, one: str, other: str, steps: int) -> None:
    """Steps to the next number, by the bits; a sign is as far as the way through zero, NaNs are no step apart."""
    assert distance_of(raw(one, dtype), raw(other, dtype)) == (steps, "")


@pytest.mark.parametrize(
    ("dtype", "one", "other", "told"),
    [
        ("<f4", "0000803f", "000080bf", (2 * 0x3F800000 + 1, "another sign")),
        ("<f4", "0000803f", "0000903f", (1 << 20, "far apart")),
        ("<f4", "0000803f", "ffff8f3f", ((1 << 20) - 1, "")),
        ("<f8", "000000000000f03f", "0000001000000040", ((1 << 52) + (1 << 28), "far apart")),
        ("<f4", "0000803f" * 2, "000080bf" + "000000bf", (2 * 0x3F800000 + 1, "another sign")),
    ],
)
def test_what_is_far_apart_is_told_in_words(dtype: str, one: str, other: str, told: tuple[int, str]) -> None:
    """From an eighth of the number on; the number of steps stays, for programs, but no list for people has it."""
    expected, found = (
        Answer(status="ok", sha256=each * 64, samples=(raw(bits, dtype),))
        for each, bits in zip("ab", (one, other), strict=True)
    )
    assert distance_of(raw(one, dtype), raw(other, dtype)) == told
    assert judged(expected, found) == ("diverged", *told)
    assert judged(expected, found, ulps=1 << 62) == ("near", told[0], "")


@pytest.mark.parametrize(
    ("one", "other"), [(raw("0000", "<f4"), raw("0001", "<f4")), (raw("00000000", "<f4"), raw("00", "<f4"))]
)
def test_samples_that_are_not_what_they_say(one: Sample, other: Sample) -> None:
    """A file may hold anything."""
    assert distance_of(one, other) == (None, "the samples are not alike")


@given(FLOATS, FLOATS)
def test_distance_is_a_metric_that_counts_steps(one: float, other: float) -> None:
    """It is the same both ways, 0 for the same bits alone, and one more for the next number."""
    there, here = sample(one), sample(other)
    distance, told = distance_of(there, here)
    assert distance_of(here, there) == (distance, told)
    assert (distance == 0) == (there.bits == here.bits)
    if 0 < one < 3e38:
        (bits,) = struct.unpack("<I", struct.pack("<f", one))
        assert distance_of(there, raw(struct.pack("<I", bits + 1).hex(), "<f4")) == (1, "")


@pytest.mark.parametrize(
    ("expected", "found", "state", "reason"),
    [
        (gave(1.0), failed("crashed", "SIGILL"), "crashed", "SIGILL"),
        (gave(1.0), failed("hung"), "crashed", "hung"),
        (failed("crashed", "SIGFPE"), gave(1.0), "crashed", "where the fingerprint was made: SIGFPE"),
        (failed("raised", "no"), failed("crashed", "SIGILL"), "crashed", "SIGILL"),
        (gave(1.0), failed("raised", "ValueError: no"), "raised", "ValueError: no"),
        (failed("unhashable", "a set"), gave(1.0), "raised", "where the fingerprint was made: a set"),
        (gave(1.0), failed("noisy", "two runs differ"), "noisy", "two runs differ"),
        (failed("noisy", "two runs differ"), gave(1.0), "noisy", "where the fingerprint was made: two runs differ"),
    ],
)
def test_no_result_is_a_state_with_a_reason(expected: Answer, found: Answer, state: str, reason: str) -> None:
    """There or here: it is never equal, not even where both failed alike."""
    assert judged(expected, found) == (state, None, reason)
    assert judged(found, found)[0] == state or found.status == "ok"


def test_probes_and_passes_that_one_side_lacks() -> None:
    """A row for each, unknown; by pass, then in the order in which they ran."""
    both = probe("numpy.a", gave(1.0))
    alone = replace(probe("numpy.c", gave(1.0)), answers={"canonical": gave(1.0)})
    expected = numerics(suite("numpy", both, probe("numpy.b", gave(1.0)), alone))
    found = numerics(suite("numpy", both, probe("numpy.c", gave(1.0))))
    rows = compare(expected, found, 4)
    assert [(row.probe, row.which, row.state, row.reason) for row in rows] == [
        ("numpy.a", "canonical", "equal", ""),
        ("numpy.b", "canonical", "unknown", "the probe gave no answer here"),
        ("numpy.c", "canonical", "equal", ""),
        ("numpy.a", "configured", "equal", ""),
        ("numpy.b", "configured", "unknown", "the probe gave no answer here"),
        ("numpy.c", "configured", "unknown", "the fingerprint has no answer of this probe"),
    ]


def test_suites_that_cannot_be_compared() -> None:
    """Not there, not loaded, of other probes: every row says why, and the tally does once."""
    one = suite("numpy", probe("numpy.a", gave(1.0)))
    missing = replace(one, loaded="missing", reason="ModuleNotFoundError: numpy", probes=())
    other = replace(one, source="22" * 32)
    gpu = replace(one, device="gpu")
    for expected, found, reason in (
        (numerics(one), numerics(), "its probes were not run here"),
        (numerics(), numerics(gpu), "the fingerprint has no numbers of it"),
        (numerics(one), numerics(missing), "it is not there (ModuleNotFoundError: numpy)"),
        (numerics(missing), numerics(one), "it gave no numbers where the fingerprint was made: it is not there ("),
        (numerics(one), numerics(replace(missing, loaded="hung", reason="")), "importing it hangs"),
        (numerics(one), numerics(other), "the fingerprint was made with other probes than these"),
    ):
        rows = compare(expected, found, 4)
        assert {row.state for row in rows} == {"unknown"}
        assert all(row.reason.startswith(reason) for row in rows)
        (tally,) = compared(fingerprint(expected, "00" * 32), found, ulps=4).tallies
        assert (tally.states, tally.reason.startswith(reason)) == ({"unknown": 1}, True)


def test_counts_and_noise() -> None:
    """A probe counts once, by the worse of its passes; what `--explain` found to be noise is no difference."""
    rows = [("numpy.a", 1.0, 1.0), ("numpy.b", 1.0, 2.0), ("numpy.c", 1.0, 1.0000001)]
    expected = numerics(suite("numpy", *(probe(name, gave(9.0), gave(one)) for name, one, _ in rows)))
    found = numerics(suite("numpy", *(probe(name, gave(9.0), gave(other)) for name, _, other in rows), version="2.0"))
    whole = compared(fingerprint(expected, "00" * 32), found, ulps=4)
    assert (whole.probes, whole.states) == (3, {"diverged": 1, "near": 1, "equal": 1})
    assert [(tally.which, tally.states) for tally in whole.tallies] == [
        ("canonical", {"equal": 3}),
        ("configured", {"diverged": 1, "near": 1, "equal": 1}),
    ]
    assert {(tally.expected, tally.found) for tally in whole.tallies} == {("1.0", "2.0")}
    noise = Explanation(factor="noise", expected="", found="", tested=True, probes=("numpy.b",), text="Noise.")
    assert compared(fingerprint(expected, "00" * 32), found, ulps=4, explanations=(noise,)).states == {
        "noisy": 1,
        "near": 1,
        "equal": 1,
    }


def test_words() -> None:
    """How probes, distances and causes are told."""
    row = Row(framework="torch", device="gpu", probe="torch.gpu.nn.conv", which="configured", state="diverged", ulps=3)
    assert title_of("torch", "gpu", "configured") == "torch on GPU, as configured"
    assert title_of("project", "cpu", "canonical") == "project, one thread"
    assert short_name(row) == "nn.conv"
    assert [ulps_text(each) for each in (3, 9_999, 84_000, 2_130_706_433)] == [
        *("3 ULP", "9,999 ULP"),
        *("8.4e4 ULP", "2.1e9 ULP"),
    ]
    assert listed([row, replace(row, ulps=None, reason="a shape")]) == "nn.conv (3 ULP), nn.conv (a shape)"
    assert listed([replace(row, ulps=None, reason="SIGILL")] * 3, most=1) == "nn.conv, and 2 more: SIGILL"
    assert listed([replace(row, ulps=1 << 31, reason="another sign"), row]) == "nn.conv (another sign), nn.conv (3 ULP)"
    threads = Explanation(factor="threads", expected="1", found="2", tested=True, probes=("a", "b"), text="")
    assert because(threads) == "threads: 1 → 2 explains 2 (tested)"
    assert because(replace(threads, tested=False), {"b", "c"}) == "threads: 1 → 2 explains 1 (all else was ruled out)"
    assert because(replace(threads, factor="unexplained", expected="", found="")) == "unexplained: 2"
    moved = replace(threads, factor="library", change="torch 2.1 → 2.2 (triton 2.1 gone)")
    assert because(moved) == "library: torch 2.1 → 2.2 (triton 2.1 gone) explains 2 (tested)"
    both = (replace(threads, text="One."), replace(threads, probes=("c",), text="Two."))
    assert merged(both) == (replace(threads, probes=("a", "b", "c"), text="One. Two."),)
    assert outcome_of({"equal": 171}) == "no difference in 171 probes"
    assert outcome_of({"diverged": 24, "near": 1, "equal": 146}) == "24 of 171 probes differ, 1 is near"
    assert outcome_of({"unknown": 1}) == "1 of 1 probe could not be compared"
    assert outcome_of({}) == "no probe"
