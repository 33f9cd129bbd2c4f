"""The answer of `status` as text, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import msgspec

from envlock.errors import one_line
from envlock.model.ability import Ability, Standing, State, Status
from envlock.report.style import Meaning, Style, count, plain

_MARKS: dict[State, tuple[str, Meaning]] = {
    "able": ("✓", "good"),
    "unable": ("✗", "bad"),
    "unknown": ("?", "warn"),
    "absent": ("-", "faint"),
}
_DUE: tuple[str, Meaning] = ("!", "warn")


def status_text(status: Status, *, style: Style = plain) -> str:
    """Return a line for each ability and each environment, with the command to run next where one is due."""
    lines = [style("This machine", "strong"), *_abilities(status.abilities, style)]
    if status.standings:
        lines += ["", style("Environments", "strong"), *_standings(status.standings, style)]
    return "\n".join(lines) + "\n"


def status_json(status: Status) -> str:
    """Return everything that is known; schema 1."""
    return json.dumps({"schema": 1, **msgspec.to_builtins(status)}, indent=2, ensure_ascii=False)


def _abilities(rows: Iterable[Ability], style: Style) -> Iterator[str]:
    known = list(rows)
    width = max((len(row.name) for row in known), default=0)
    for row in known:
        mark, meaning = _MARKS[row.state]
        serves = style(f"  ({row.serves})", "faint") if row.serves else ""
        yield f"  {style(mark, meaning)} {row.name:<{width}}  {one_line(row.said)}{serves}"
        if row.hint and row.state in ("unable", "unknown"):
            yield f"    {'':<{width}}  {one_line(row.hint)}"


def _standings(rows: Iterable[Standing], style: Style) -> Iterator[str]:
    known = list(rows)
    width = max(len(row.env) for row in known)
    for row in known:
        mark, meaning = _DUE if row.next else _MARKS["able"]
        parts = [
            f"lock {row.lock}",
            f"venv {row.venv}" if row.venv else "",
            "image pushed" if row.image else "",
            row.hardware,
        ]
        yield f"  {style(mark, meaning)} {row.env:<{width}}  {', '.join(part for part in parts if part)}"
        told = [*row.changed[:1], *row.differences[:1]]
        for reason in told:
            yield f"    {'':<{width}}  {style(one_line(reason), 'faint')}"
        if more := len(row.changed) + len(row.differences) - len(told):
            yield f"    {'':<{width}}  " + style(f"and {count(more, 'more difference')}", "faint")
        if row.image:
            yield f"    {'':<{width}}  {style(one_line(row.image), 'faint')}"
        if row.next:
            yield f"    {'':<{width}}  next: {row.next}"
