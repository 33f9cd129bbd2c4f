"""What is known of a numerical change between two releases of a package, and how it is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import msgspec

Reach = Literal["all", "many", "some", "few"]
"""How much of what people compute with a package a change touches; `all` is more than the last bits of most of it."""
REACHES: tuple[Reach, ...] = get_args(Reach)


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """A known numerical change between two releases of a package."""

    subject: str
    """The project as people write it, such as TensorFlow."""
    before: str
    """The release that it was measured against; empty where it is known of one release alone."""
    after: str
    """The release that has it."""
    text: str
    reach: Reach
    what: tuple[str, ...] = ()
    differ: int | None = None
    """How many probes differ; None where nobody measured."""
    probes: int = 0
    conditions: str = ""
    """Under which it was measured."""
    source: str
    """A link, or who measured."""

    @property
    def span(self) -> str:
        """The releases that it is about, such as `2.5.0 → 2.6.0` or `since 2.10.0`."""
        return f"{self.before} → {self.after}" if self.before else f"since {self.after}"

    @property
    def known(self) -> str:
        """How it is known, in a few words."""
        return known(self.differ, self.probes, self.conditions, self.source)

    def is_of(self, one: str, other: str) -> bool:
        """Tell whether it is about exactly two releases, in either order."""
        return {self.before, self.after} == {one, other}


def known(differ: int | None, probes: int, conditions: str, source: str) -> str:
    """Return how a fact is known: what was counted, under which conditions, and the source."""
    count = "" if differ is None else f"{differ} of {probes} probes differ"
    return "; ".join(part for part in (count, conditions, source) if part)


def told(facts: Sequence[Fact], one: str, other: str, most: int) -> str:
    """Return facts about a step from `one` to `other` as one text: the first ones, and how many more there are.

    Each is told with its source, and with its own releases where those are not the step's.
    """
    parts = [
        f"{'' if fact.is_of(one, other) else f'{fact.subject} {fact.span}: '}{fact.text.rstrip('.')} ({fact.known})."
        for fact in facts[:most]
    ]
    return " ".join([*parts, *((more(len(facts) - most),) if len(facts) > most else ())])


def more(number: int) -> str:
    """Return the sentence for facts that are not told."""
    return f"And {number} more known change{'' if number == 1 else 's'} of numbers."
