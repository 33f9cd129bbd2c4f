"""The difference of two sides as text, the most consequential first; or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import msgspec

from envlock.errors import one_line
from envlock.model.change import Change, Difference
from envlock.model.finding import IMPACTS, Impact
from envlock.report.facts import fact_lines
from envlock.report.style import Meaning, Style, count, plain, wrapped

SCHEMA = 1
HEADINGS: dict[Impact, str] = {
    "results": "Changes results",
    "security": "Changes code that runs",
    "compat": "May change behaviour",
    "cosmetic": "Cosmetic",
}
_MOST = 15
_WIDEST = 24
_LONGEST = 3
"""Steps of a way down that are told: of a longer one its ends; --json has all."""


def difference_json(difference: Difference) -> str:
    """Return the difference as JSON, schema 1: later versions of it only add keys."""
    return json.dumps({"schema": SCHEMA, **msgspec.to_builtins(difference)}, indent=2, ensure_ascii=False)


def difference_text(difference: Difference, *, style: Style = plain, width: int = 100, everything: bool = False) -> str:
    """Return the difference for people; `everything` lists changes that are else only counted."""
    arrow = one_line(f"{difference.before} → {difference.after}")
    if not difference.changes:
        lines = [f"{arrow}: {sameness(difference)}", *_unsaid(difference, style, width)]
        return "\n".join(lines) + "\n"
    lines = [style(arrow, "strong"), ""]
    for impact in IMPACTS:
        group = [change for change in difference.changes if change.impact == impact]
        if group:
            lines += _section(
                HEADINGS[impact], group, "bad" if impact == "results" else "warn", style, width, everything=everything
            )
    lines += [summary(difference), *_unsaid(difference, style, width)]
    return "\n".join(lines) + "\n"


def sameness(difference: Difference) -> str:
    """Return how far two sides are the same of which no difference is known."""
    if difference.before_digest and difference.before_digest == difference.after_digest:
        return "the same file" if difference.before_kind == difference.after_kind == "lock" else "the same lock"
    return "nothing else differs" if difference.unsaid else "nothing that matters differs"


def summary(difference: Difference) -> str:
    """Return how many changes there are of each kind, in one line."""
    counts = [f"{sum(c.impact == impact for c in difference.changes)} {_SHORT[impact]}" for impact in IMPACTS]
    told = ", ".join(text for text in counts if not text.startswith("0 "))
    changes, packages = count(len(difference.changes), "change"), count(difference.unchanged_packages, "package")
    return f"{changes}: {told}; {packages} unchanged"


_SHORT: dict[Impact, str] = {
    "results": "of results",
    "security": "of code",
    "compat": "of behaviour",
    "cosmetic": "cosmetic",
}


def _section(
    heading: str, changes: Sequence[Change], meaning: Meaning, style: Style, width: int, *, everything: bool
) -> Iterator[str]:
    yield style(heading, "strong")
    most = len(changes) if everything else _MOST
    shown = changes[:most]
    rows = [[one_line(text) for text in (c.subject, c.before or "-", c.after or "-")] for c in shown]
    subjects = max(len(subject) for subject, _, _ in rows)
    before, after = (min(_WIDEST, max(len(row[at]) for row in rows)) for at in (1, 2))
    for at, (change, (subject, one, other)) in enumerate(zip(shown, rows, strict=True)):
        note = one_line(note_of(change))
        line = f"{subject:<{subjects}}  {one:>{before}} → {other:<{after}}"
        yield f"  {style(_MARKS[change.kind], meaning)} {line}{style(f'  {note}', 'faint') if note else ''}".rstrip()
        yield from fact_lines(change.facts, change.before, change.after, "      ", style, width, everything=everything)
        following = shown[at + 1] if at + 1 < len(shown) else None
        if not change.facts and (following is None or following.why != change.why or following.facts):
            yield from (style(line, "faint") for line in wrapped(change.why, "      ", width))
    if len(changes) > most:
        yield style(f"  and {len(changes) - most} more; --json lists them", "faint")
    yield ""


_MARKS = {"added": "+", "removed": "-", "changed": "~", "rebuilt": "="}


def note_of(change: Change) -> str:
    """Return what brought a change about, in a few words: the way down from what is asked for, or a setting."""
    if change.kind == "rebuilt":
        return f"another wheel, {change.brought_by}" if change.brought_by else "another wheel"
    if len(change.chain) > 1:
        above = change.chain[:-1]
        way = " › ".join(above if len(above) <= _LONGEST else (above[0], "…", above[-1]))
        ruled = change.brought_by.partition(", ")[2]
        rest = f", {ruled}" if ruled and "→" not in ruled else ""  # the cutoff that moved everything is told by itself
        return f"by {way}{rest}" if change.kind != "removed" else f"was there by {way}"
    # Every dependency moves with the cutoff, every package with the base: said where it matters, not twenty times.
    moved = change.brought_by.startswith(("a dependency", "with the "))
    return "" if moved and change.impact != "results" else change.brought_by


def untold(difference: Difference) -> Iterator[tuple[str, str, str]]:
    """Yield (subject, sides, reason with what to do) of what was not compared; what both sides lack is told once."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for each in difference.unsaid:
        rows.setdefault((each.subject, each.reason, each.hint), []).append(each.side)
    for (subject, reason, hint), sides in rows.items():
        yield subject, " and ".join(sides), f"{reason} ({hint})" if hint else reason


def _unsaid(difference: Difference, style: Style, width: int) -> Iterator[str]:
    """Yield what was not compared, so that nobody takes it for the same."""
    if difference.unsaid:
        yield from ("", style("Not compared", "strong"))
    for subject, sides, reason in untold(difference):
        first, *more = wrapped(one_line(f"{subject}, in {sides}: {reason}"), "    ", width)
        yield from (f"  {style('?', 'warn')} {first.lstrip()}", *more)
