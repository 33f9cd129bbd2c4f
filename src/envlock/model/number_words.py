"""How probes, their differences and what explains them are called, in findings and reports alike."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec.structs import replace

from envlock.model.numbers import Row, State
from envlock.model.numerics import Device, Explanation, Pass

PASS_NAMES: dict[Pass, str] = {"canonical": "one thread", "configured": "as configured"}
_WORDS: dict[State, tuple[str, str]] = {
    "diverged": ("differs", "differ"),
    "crashed": ("crashes or hangs", "crash or hang"),
    "near": ("is near", "are near"),
    "raised": ("gives no result", "give no result"),
    "noisy": ("does not repeat", "do not repeat"),
    "unknown": ("could not be compared", "could not be compared"),
}
"""What is said of one probe in a state, and of several; the gravest first."""
TOLD_ORDER: tuple[State, ...] = tuple(_WORDS)
"""The order in which states are told; equal answers are not."""
_NAMED = 6
_EXACT = 10_000


def suite_name(framework: str, device: Device) -> str:
    """Return what probes are called together, such as `tensorflow on GPU`."""
    return f"{framework} on GPU" if device == "gpu" else framework


def title_of(framework: str, device: Device, which: Pass) -> str:
    """Return the name of the probes of one pass, such as `tensorflow, as configured`."""
    return f"{suite_name(framework, device)}, {PASS_NAMES[which]}"


def short_name(row: Row) -> str:
    """Return a probe's name without its framework, which stands beside it."""
    return row.probe.removeprefix(f"{row.framework}.").removeprefix("gpu.")


def ulps_text(ulps: int) -> str:
    """Return a distance in few digits, such as `3 ULP` or `1.5e5 ULP`."""
    digits = f"{ulps:,}" if ulps < _EXACT else f"{ulps:.1e}".replace("e+0", "e").replace("e+", "e")
    return f"{digits} ULP"


def listed(rows: Sequence[Row], most: int = _NAMED) -> str:
    """Return the names of probes, each with how far it is off or what became of it; the rest are counted.

    What became of all of them alike is said once, at the end.
    """
    common = rows[0].reason if len(rows) > 1 and len({(row.reason, row.ulps) for row in rows}) == 1 else ""
    names = [short_name(row) if common else _named(row) for row in rows[:most]]
    more = [f"and {len(rows) - most:,} more"] if len(rows) > most else []
    return ", ".join(names + more) + (f": {common}" if common else "")


def _named(row: Row) -> str:
    remark = row.reason or (ulps_text(row.ulps) if row.ulps is not None else "")
    return f"{short_name(row)} ({remark})" if remark else short_name(row)


def because(explanation: Explanation, probes: Collection[str] | None = None) -> str:
    """Return what a factor explains, such as `threads: 1 thread → 2 threads explains 24 (tested)`.

    Args:
        explanation: of some probes.
        probes: of which those that it explains are counted; all that it names where it is None.
    """
    number = len(explanation.probes if probes is None else set(explanation.probes).intersection(probes))
    if not (explanation.expected or explanation.found):
        return f"{explanation.factor}: {number:,}"
    how = "tested" if explanation.tested else "all else was ruled out"
    return f"{explanation.factor}: {change_of(explanation)} explains {number:,} ({how})"


def change_of(explanation: Explanation) -> str:
    """Return how a factor was and how it is, such as `1 thread → 2 threads`; empty where it has no values."""
    plain = f"{explanation.expected} → {explanation.found}" if explanation.expected or explanation.found else ""
    return explanation.change or plain


def merged(explanations: Iterable[Explanation]) -> tuple[Explanation, ...]:
    """Return explanations with those of one factor as one, such as of both passes: all probes, all sentences."""
    found: dict[tuple[str, str, str, bool], Explanation] = {}
    for each in explanations:
        key = (each.factor, each.expected, each.found, each.tested)
        before = found.get(key)
        probes = dict.fromkeys([*before.probes, *each.probes]) if before else each.probes
        text = f"{before.text} {each.text}" if before else each.text
        found[key] = replace(each, probes=tuple(probes), text=text)
    return tuple(found.values())


def outcome_of(states: Mapping[State, int]) -> str:
    """Return in one phrase what became of probes, such as `24 of 171 probes differ, 3 are near`."""
    total = sum(states.values())
    probes = f"{total:,} probe{'' if total == 1 else 's'}"
    parts = [(number, words) for state, words in _WORDS.items() if (number := states.get(state, 0))]
    if not parts:
        return f"no difference in {probes}" if total else "no probe"
    (number, words), *others = parts
    more = [f"{each:,} {said[each != 1]}" for each, said in others]
    return ", ".join([f"{number:,} of {probes} {words[number != 1]}", *more])
