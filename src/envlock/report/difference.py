"""The difference of two locks as text, the most consequential first; or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import msgspec

from envlock.model.change import Change, Difference
from envlock.model.finding import IMPACTS, Impact
from envlock.report.facts import fact_lines
from envlock.report.style import Meaning, Style, count, plain, wrapped

SCHEMA = 1
_HEADINGS: dict[Impact, str] = {
    "results": "Changes results",
    "security": "Changes code that runs",
    "compat": "May change behaviour",
    "cosmetic": "Cosmetic",
}
_MOST = 15
_WIDEST = 24


def difference_json(difference: Difference) -> str:
    """Return the difference as JSON, schema 1: later versions of it only add keys."""
    return json.dumps({"schema": SCHEMA, **msgspec.to_builtins(difference)}, indent=2, ensure_ascii=False)


def difference_text(difference: Difference, *, style: Style = plain, width: int = 100, everything: bool = False) -> str:
    """Return the difference for people; `everything` lists changes that are else only counted."""
    arrow = f"{difference.before} → {difference.after}"
    if not difference.changes:
        same = (
            "the same file" if difference.before_digest == difference.after_digest else "nothing that matters differs"
        )
        return f"{arrow}: {same}\n"
    lines = [style(arrow, "strong"), ""]
    for impact in IMPACTS:
        group = [change for change in difference.changes if change.impact == impact]
        if group:
            lines += _section(
                _HEADINGS[impact], group, "bad" if impact == "results" else "warn", style, width, everything=everything
            )
    counts = [f"{sum(c.impact == impact for c in difference.changes)} {_SHORT[impact]}" for impact in IMPACTS]
    told = ", ".join(text for text in counts if not text.startswith("0 "))
    changes, packages = count(len(difference.changes), "change"), count(difference.unchanged_packages, "package")
    lines.append(f"{changes}: {told}; {packages} unchanged")
    return "\n".join(lines) + "\n"


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
    subjects = max(len(change.subject) for change in shown)
    before = min(_WIDEST, max(len(change.before or "-") for change in shown))
    after = min(_WIDEST, max(len(change.after or "-") for change in shown))
    for at, change in enumerate(shown):
        note = _note(change)
        line = f"{change.subject:<{subjects}}  {change.before or '-':>{before}} → {change.after or '-':<{after}}"
        yield f"  {style(_MARKS[change.kind], meaning)} {line}{style(f'  {note}', 'faint') if note else ''}".rstrip()
        yield from fact_lines(change.facts, change.before, change.after, "      ", style, width, everything=everything)
        following = shown[at + 1] if at + 1 < len(shown) else None
        if not change.facts and (following is None or following.why != change.why or following.facts):
            yield from (style(line, "faint") for line in wrapped(change.why, "      ", width))
    if len(changes) > most:
        yield style(f"  and {len(changes) - most} more; --json lists them", "faint")
    yield ""


_MARKS = {"added": "+", "removed": "-", "changed": "~", "rebuilt": "="}


def _note(change: Change) -> str:
    if change.kind == "rebuilt":
        return "another wheel"
    # Every dependency moves with the cutoff: said where it matters, not twenty times.
    return "" if change.brought_by.startswith("a dependency") and change.impact != "results" else change.brought_by
