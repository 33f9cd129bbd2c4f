"""What is told of numbers in every form of a verdict: a line a suite and pass, and what explains the differences."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.errors import one_line
from envlock.model.number_words import TOLD_ORDER, because, listed, merged, outcome_of, suite_name, title_of
from envlock.model.numbers import Compared, Row, State, Tally
from envlock.report.style import Meaning, Style, padded, wrapped

_MEANINGS: dict[State, Meaning] = {"diverged": "bad", "crashed": "bad", "near": "warn", "equal": "good"}
PROVES = "Equal answers say nothing of what these probes do not compute."


def unequal(compared: Compared) -> list[Row]:
    """Return the rows that are not equal, in the order of the suites; without suites of which nothing was compared."""
    silent = {(tally.framework, tally.device) for tally in compared.tallies if tally.reason}
    return [row for row in compared.rows if row.state != "equal" and (row.framework, row.device) not in silent]


def has_news(compared: Compared) -> bool:
    """Tell whether there is more to say than that nothing differs."""
    return bool(compared.explanations) or any(tally.reason for tally in compared.tallies) or bool(unequal(compared))


def outcome_of_tally(tally: Tally) -> str:
    """Return what became of the probes of one suite in one pass, such as `24 of 171 probes differ`."""
    return f"not compared: {tally.reason}" if tally.reason else outcome_of(tally.states)


def meaning_of_tally(tally: Tally) -> Meaning:
    """Return how an outcome is marked: by the worst of its states."""
    worst: State = next((state for state in TOLD_ORDER if tally.states.get(state, 0)), "equal")
    return "warn" if tally.reason else _MEANINGS.get(worst, "warn")


def numbers_text(compared: Compared, style: Style, width: int, *, everything: bool) -> Iterator[str]:
    """Yield the section for terminals: a line a suite and pass, then the causes; `everything` names all probes."""
    yield style(f"Numbers, against the fingerprint of {one_line(compared.hardware)}", "strong")
    titles = [one_line(name_of_tally(tally)) for tally in compared.tallies]
    wide = max(map(len, titles), default=0)
    for title, tally in zip(titles, compared.tallies, strict=True):
        named = [row for row in unequal(compared) if everything and _is_of(row, tally)]
        named.sort(key=lambda row: (TOLD_ORDER.index(row.state), row.weight))
        text = one_line(outcome_of_tally(tally) + (f": {listed(named, len(named))}" if named else ""))
        indent = " " * (wide + 4)
        first, *rest = wrapped(text, indent, width)
        yield f"  {style(padded(title, wide), meaning_of_tally(tally))}  {first[len(indent) :]}"
        yield from rest
    for explanation in merged(compared.explanations):
        yield f"  because  {one_line(because(explanation))}"
        yield from (style(line, "faint") for line in wrapped(one_line(explanation.text), " " * 11, width))
    yield ""


def name_of_tally(tally: Tally) -> str:
    """Return what a suite is called in one pass; without a pass where nothing of it was compared."""
    if tally.reason:
        return suite_name(tally.framework, tally.device)
    return title_of(tally.framework, tally.device, tally.which)


def _is_of(row: Row, tally: Tally) -> bool:
    return (row.framework, row.device, row.which) == (tally.framework, tally.device, tally.which)
