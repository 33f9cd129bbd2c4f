"""Known numerical changes as lines of text: what changes, and in a fainter line how it is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from envlock.model.fact import Fact, more
from envlock.report.style import Style, wrapped

MOST = 3
"""How many are told of one package; the rest are counted."""


def fact_lines(
    facts: Sequence[Fact], one: str, other: str, indent: str, style: Style, width: int, *, everything: bool
) -> Iterator[str]:
    """Yield facts about a step between two releases, each with its own releases where they are not the step's."""
    most = len(facts) if everything else MOST
    for fact in facts[:most]:
        span = "" if fact.is_of(one, other) else f"{fact.span}: "
        yield from wrapped(span + fact.text, indent, width)
        yield from (style(line, "faint") for line in wrapped(f"({fact.known})", indent, width))
    if len(facts) > most:
        hint = more(len(facts) - most).rstrip(".") + "; --verbose lists them"
        yield from (style(line, "faint") for line in wrapped(hint, indent, width))
