"""Compares what probes answered here with a fingerprint: probe by probe, pass by pass, in units in the last place.

Equal digests are equal results, bit for bit. Other digests are other results, and a sample of both tells how far apart
they are, as far as a sample can. It has a few dozen elements of a result that may have millions, it holds numbers of
arrays alone (no keys, no text, no Python integers), and of the first arrays where there are very many. So a sample can
prove that results are far apart, and that they are not; it cannot prove that they are near: an element between two
sampled ones may be anything. `near` says no more than that every sampled element is within so many ULPs and some are
not the same, as other roundings look. Where all of a sample is the same and the digest is not, what differs was not
seen, and the result counts as diverged.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from envlock.model.numbers import UNSAMPLED, Compared, Row, State, Tally
from envlock.model.numerics import (
    PASSES,
    PROJECT,
    Answer,
    Device,
    Explanation,
    Fingerprint,
    Numerics,
    Pass,
    Sample,
    Status,
    Suite,
)
from envlock.verify.numeric_inquiry import NOISE

_FLOATS = {"<f2": ("H", 10), "bfloat16": ("H", 7), "<f4": ("I", 23), "<f8": ("Q", 52)}
"""How to unpack the bits of a type, and how many of them are its mantissa (IEEE 754; bfloat16 is half of <f4)."""
_PARTS = {"<c8": "<f4", "<c16": "<f8"}
_WORST: tuple[State, ...] = ("diverged", "crashed", "unknown", "raised", "noisy", "near", "equal")
_FAILURES: tuple[tuple[State, tuple[Status, ...]], ...] = (
    ("crashed", ("crashed", "hung")),
    ("raised", ("raised", "unhashable")),
    ("noisy", ("noisy",)),
)
"""Answers without a result, by the state that they put a probe in; the gravest first."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """The probes of one framework on one kind of device, there and here."""

    framework: str
    device: Device
    expected: Suite | None
    found: Suite | None

    @property
    def is_of_other_probes(self) -> bool:
        """Whether both were computed, and by other code."""
        both = [suite for suite in (self.expected, self.found) if suite is not None and suite.loaded == "ok"]
        return len({suite.source for suite in both}) > 1

    @property
    def obstacle(self) -> str:
        """Why no answer can be compared; empty where answers can."""
        if self.expected is None:
            return "the fingerprint has no numbers of it"
        if self.found is None:
            return "its probes were not run here"
        if self.expected.loaded != "ok":
            return f"it gave no numbers where the fingerprint was made: {_failure(self.expected)}"
        if self.found.loaded != "ok":
            return _failure(self.found)
        if self.is_of_other_probes:
            if self.framework == PROJECT:
                return "the code of the project's probes is not what it was when the fingerprint was made"
            return "the fingerprint was made with other probes than these"
        if not (_answers(self.expected) or _answers(self.found)):
            return "it has no probes, neither there nor here"
        return ""


def pairs(expected: Numerics, found: Numerics) -> tuple[Pair, ...]:
    """Return the suites of both by framework and device, in the order of the fingerprint, then what it lacks."""
    here = {(suite.framework, suite.device): suite for suite in found.suites}
    there = {(suite.framework, suite.device): suite for suite in expected.suites}
    return tuple(
        Pair(framework=key[0], device=key[1], expected=there.get(key), found=here.get(key))
        for key in dict.fromkeys([*there, *here])
    )


def compare(expected: Numerics, found: Numerics, ulps: int) -> tuple[Row, ...]:
    """Return a row for each probe and pass that one of both has.

    Args:
        expected: of the fingerprint.
        found: here.
        ulps: how far sampled numbers may be apart to be near.
    """
    return tuple(row for pair in pairs(expected, found) for row in _rows(pair, ulps))


def _rows(pair: Pair, ulps: int) -> Iterator[Row]:
    there, here = _answers(pair.expected), _answers(pair.found)
    for probe, which in _in_order([*there, *here]):
        one, other = there.get((probe, which)), here.get((probe, which))
        state, distance, reason = ("unknown", None, pair.obstacle) if pair.obstacle else _judged(one, other, ulps)
        yield Row(
            framework=pair.framework,
            device=pair.device,
            probe=probe,
            which=which,
            state=state,
            expected=one.status if one is not None else None,
            found=other.status if other is not None else None,
            ulps=distance,
            reason=reason,
        )


def _answers(suite: Suite | None) -> dict[tuple[str, Pass], Answer]:
    probes = suite.probes if suite is not None else ()
    return {(probe.name, which): probe.answers[which] for probe in probes for which in probe.answers}


def _in_order(keys: Iterable[tuple[str, Pass]]) -> list[tuple[str, Pass]]:
    """Return each key once: one pass after the other, the probes of each as they ran."""
    return sorted(dict.fromkeys(keys), key=lambda key: PASSES.index(key[1]))


def _judged(expected: Answer | None, found: Answer | None, ulps: int) -> tuple[State, int | None, str]:
    """Return (state, distance, reason) of one probe in one pass."""
    if expected is None or found is None:
        there, here = "the fingerprint has no answer of this probe", "the probe gave no answer here"
        return "unknown", None, there if expected is None else here
    for state, kinds in _FAILURES:
        if found.status in kinds:
            return state, None, _said(found)
        if expected.status in kinds:
            return state, None, f"where the fingerprint was made: {_said(expected)}"
    if expected.sha256 == found.sha256:
        return "equal", None, ""
    return _apart(expected.samples, found.samples, ulps)


def _apart(expected: Sequence[Sample], found: Sequence[Sample], ulps: int) -> tuple[State, int | None, str]:
    """Return (`near` or `diverged`, distance, reason) of two results whose digests differ."""
    if len(expected) != len(found):
        return "diverged", None, f"{len(expected)} sampled arrays there, {len(found)} here"
    for one, other in zip(expected, found, strict=True):
        if one.dtype != other.dtype:
            return "diverged", None, f"{one.dtype} there, {other.dtype} here"
        if one.shape != other.shape:
            return "diverged", None, f"shape {list(one.shape)} there, {list(other.shape)} here"
    differing = [(one, other) for one, other in zip(expected, found, strict=True) if one.bits != other.bits]
    if not differing:
        return "diverged", None, UNSAMPLED
    furthest, told = -1, ""
    for one, other in differing:
        distance, reason = distance_of(one, other)
        if distance is None:
            return "diverged", None, reason
        if distance > furthest:
            furthest, told = distance, reason
    return ("near", furthest, "") if furthest <= ulps else ("diverged", furthest, told)


def distance_of(expected: Sample, found: Sample) -> tuple[int | None, str]:
    """Return the largest distance of two samples' elements in ULPs, and what it is where that says nothing to people.

    Of two numbers that are an eighth or more apart it is `far apart`, or `another sign`. The distance is None with the
    reason why, where there is none.

    A ULP is one step to the next number of the type, so that a sign that changes is as far as the way through zero,
    where most numbers of a type are; -0 and +0 are one step apart. There is no distance of a number to NaN or to an
    infinity, nor of whole numbers and truth values, which no rounding changes. NaNs of other bits are no step apart.
    """
    kind = _PARTS.get(expected.dtype, expected.dtype)
    if kind not in _FLOATS:
        return None, f"other {expected.dtype} values"
    code, mantissa = _FLOATS[kind]
    one, other = bytes.fromhex(expected.bits), bytes.fromhex(found.bits)
    width = struct.calcsize(f"<{code}")
    if len(one) != len(other) or len(one) % width:
        return None, "the samples are not alike"
    infinity = (1 << (8 * width - 1)) - (1 << mantissa)
    far = 1 << (mantissa - 3)
    furthest, turned = 0, False
    for (left,), (right,) in zip(
        struct.iter_unpack(f"<{code}", one), struct.iter_unpack(f"<{code}", other), strict=True
    ):
        if left == right:
            continue
        sizes = [bits & ((1 << (8 * width - 1)) - 1) for bits in (left, right)]
        special = [size >= infinity for size in sizes]
        if all(size > infinity for size in sizes):
            continue
        if any(special):
            return None, "NaN against a number" if max(sizes) > infinity else "an infinity against another number"
        # Two's complement of negative ones makes neighbours of neighbours, and one step of -0 and +0.
        steps = [size if bits == size else -size - 1 for bits, size in zip((left, right), sizes, strict=True)]
        distance = abs(steps[0] - steps[1])
        if distance > furthest:
            furthest, turned = distance, (steps[0] < 0) != (steps[1] < 0)
    return furthest, ("another sign" if turned else "far apart") if furthest >= far else ""


def compared(
    fingerprint: Fingerprint, found: Numerics, *, ulps: int, explanations: tuple[Explanation, ...] = ()
) -> Compared:
    """Return the rows of `compare`, counted, with what explains them; what an explanation calls noise is no drift."""
    expected = fingerprint.numerics
    noise = {name for each in explanations if each.factor == NOISE for name in each.probes}
    rows = tuple(_as_noise(row) if row.probe in noise else row for row in compare(expected, found, ulps))
    worst: dict[tuple[str, Device, str], State] = {}
    for row in rows:
        key = (row.framework, row.device, row.probe)
        worst[key] = min(worst.get(key, "equal"), row.state, key=_WORST.index)
    return Compared(
        hardware=fingerprint.hardware,
        ulps=ulps,
        probes=len(worst),
        states=_counted(worst.values()),
        tallies=tuple(_tallies(expected, found, rows)),
        rows=rows,
        explanations=explanations,
    )


def _as_noise(row: Row) -> Row:
    if row.state not in ("near", "diverged"):
        return row
    return replace(row, state="noisy", reason="it gave something else again when nothing was changed")


def _tallies(expected: Numerics, found: Numerics, rows: Sequence[Row]) -> Iterator[Tally]:
    for pair in pairs(expected, found):
        own = [row for row in rows if (row.framework, row.device) == (pair.framework, pair.device)]
        if pair.obstacle:
            number = len({row.probe for row in own})
            yield _tally(pair, PASSES[0], {"unknown": number} if number else {})
            continue
        for which in PASSES:
            if states := _counted(row.state for row in own if row.which == which):
                yield _tally(pair, which, states)


def _tally(pair: Pair, which: Pass, states: Mapping[State, int]) -> Tally:
    return Tally(
        framework=pair.framework,
        device=pair.device,
        which=which,
        expected=pair.expected.version if pair.expected else "",
        found=pair.found.version if pair.found else "",
        states=states,
        reason=pair.obstacle,
    )


def _counted(states: Iterable[State]) -> dict[State, int]:
    numbers = Counter(states)
    return {state: numbers[state] for state in _WORST if numbers[state]}


def _failure(suite: Suite) -> str:
    said = {
        "missing": "it is not there",
        "import-failed": "it cannot be imported",
        "crashed": "importing it crashes",
        "hung": "importing it hangs",
    }
    return said.get(suite.loaded, suite.loaded) + (f" ({suite.reason})" if suite.reason else "")


def _said(answer: Answer) -> str:
    return answer.reason or answer.status
