"""The difference of two sides as GitHub-flavoured Markdown: what matters in tables, the rest folded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from envlock.model.change import Change, Difference
from envlock.model.fact import more
from envlock.model.finding import IMPACTS
from envlock.report.difference import HEADINGS, note_of, sameness, summary, untold
from envlock.report.facts import MOST
from envlock.report.inert import COMMENT, code, folded, prose

_ROW = 400
"""Bytes of a usual row, to begin with."""
_OPEN = 25
"""How many changes of behaviour stand open; more of them are folded, changes of results never are."""
_KINDS = {"added": "added", "removed": "removed", "changed": "", "rebuilt": "another wheel"}


def difference_markdown(difference: Difference, *, limit: int = COMMENT) -> str:
    """Return the difference as Markdown of at most `limit` bytes: long lists are cut and counted."""
    most = max(1, limit // _ROW)
    heading = f"## {code(difference.before)} → {code(difference.after)}"
    while True:
        text = "\n".join([heading, "", *difference_lines(difference, most)]).rstrip("\n") + "\n"
        if len(text.encode("utf-8", "backslashreplace")) <= limit or most == 0:
            return text
        most //= 2


def difference_lines(difference: Difference, most: int) -> list[str]:
    """Return the difference without a heading of its own, of each impact at most `most` changes."""
    told = summary(difference) if difference.changes else sameness(difference).capitalize()
    lines = [f"{told}.", ""]
    for impact in IMPACTS:
        group = [change for change in difference.changes if change.impact == impact]
        if not group:
            continue
        rows = list(_table(group, most))
        if impact == "cosmetic" or (impact == "compat" and len(group) > _OPEN):
            lines += folded(HEADINGS[impact], len(group), rows)
        else:
            lines += [f"### {HEADINGS[impact]} ({len(group):,})", "", *rows, ""]
    if unsaid := list(untold(difference)):
        lines += folded("Not compared", len(unsaid), _unsaid(unsaid, most))
    return lines


def _table(changes: Sequence[Change], most: int) -> Iterator[str]:
    yield "| what | before | after | why |"
    yield "| --- | --- | --- | --- |"
    why = ""
    for change in changes[:most]:
        yield _row(change, repeated=change.why == why and not change.facts)
        why = "" if change.facts else change.why
    if len(changes) > most:
        yield f"| and {len(changes) - most:,} more | | | |"


def _row(change: Change, *, repeated: bool) -> str:
    note = note_of(change) if change.kind == "rebuilt" else note_of(change) or _KINDS[change.kind]
    what = code(change.subject) + (f"<br><sub>{prose(note)}</sub>" if note else "")
    return f"| {what} | {code(change.before)} | {code(change.after)} | {_why(change, repeated=repeated)} |"


def _why(change: Change, *, repeated: bool) -> str:
    """Return what is known of the very step, else why things of this kind matter."""
    if not change.facts:
        return "″" if repeated else prose(change.why)
    told = []
    for fact in change.facts[:MOST]:
        span = "" if fact.is_of(change.before, change.after) else f"{fact.span}: "
        told.append(f"{prose(span + fact.text)} <sub>({prose(fact.known)})</sub>")
    if len(change.facts) > MOST:
        told.append(prose(more(len(change.facts) - MOST)))
    return "<br>".join(told)


def _unsaid(rows: Sequence[tuple[str, str, str]], most: int) -> Iterator[str]:
    for subject, sides, reason in rows[:most]:
        yield f"- {prose(subject)}, in {code(sides)}: {prose(reason)}"
    if len(rows) > most:
        yield f"- and {len(rows) - most:,} more"
