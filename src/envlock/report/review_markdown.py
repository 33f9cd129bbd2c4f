"""A review as the comment on a pull request: what differs, who would no longer match, what has to be agreed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from envlock.model.review import Demand, Effect, Review, Reviewed
from envlock.report.difference_markdown import difference_lines
from envlock.report.inert import COMMENT, block, code, folded, prose
from envlock.report.review import TURNS, by_reason, by_turn, headline, next_steps, state_line
from envlock.report.style import count

_ROW = 500
"""Bytes of a usual row, to begin with."""


def review_markdown(review: Review, *, limit: int = COMMENT) -> str:
    """Return the review as GitHub-flavoured Markdown of at most `limit` bytes: long lists are cut and counted."""
    most = max(1, limit // _ROW)
    while True:
        text = _document(review, most)
        if len(text.encode("utf-8", "backslashreplace")) <= limit or most == 0:
            return text
        most //= 2


def _document(review: Review, most: int) -> str:
    lines = [f"## {'✗' if review.exit_code else '✓'} Environments", "", f"{prose(headline(review))}.", ""]
    lines += [_demand(demand, most) for demand in review.demands]
    lines += [f"- ⚠ {prose(note)}" for note in review.notes]
    if review.demands or review.notes:
        lines.append("")
    for each in review.told[: most + 1]:
        lines += _environment(each, most)
    if len(review.told) > most + 1:
        lines += [f"And {count(len(review.told) - most - 1, 'more environment')}.", ""]
    if steps := next_steps(review):
        commands = [step for step in steps if step.startswith("envlock ")]
        lines += ["### Next", ""]
        if commands:
            lines += [*block(commands[: most + 1]), ""]
        lines += [f"- {prose(step)}" for step in steps[: most + 1] if step not in commands]
    return "\n".join(lines).rstrip("\n") + "\n"


def _demand(demand: Demand, most: int) -> str:
    shown = demand.because[: min(3, most + 1)]
    more = f", and {len(demand.because) - len(shown)} more" if len(demand.because) > len(shown) else ""
    standing = "is there" if demand.given else "**is missing**"
    return (
        f"- {'✓' if demand.given else '✗'} The label {code(demand.label)} {standing}: {prose('; '.join(shown))}{more}"
    )


def _environment(each: Reviewed, most: int) -> Iterator[str]:
    line = state_line(each)
    yield from (f"## {code(each.env)}{f': {prose(line)}' if line else ''}", "")
    for reason in each.stale:
        yield f"- ✗ The lock is stale: {prose(reason)}"
    if each.stale:
        yield ""
    if each.refused:
        yield from ("✗ Reports are refused:", "", *block(each.refused.splitlines()), "")
    if each.unchecked:
        yield from ("✗ Reports could not be checked:", "", *block(each.unchecked.splitlines()), "")
    if each.difference is not None:
        yield from difference_lines(each.difference, most)
    yield from _reports(each.effects, most)


def _reports(effects: Sequence[Effect], most: int) -> Iterator[str]:
    """Yield which reports no longer match as an open table, the others folded."""
    for turn, group in by_turn(effects):
        named = turn in ("broken", "unknown")
        rows = ["| report | why |", "| --- | --- |"] if named else []
        cells = [(whose, reason) for reason, names in by_reason(group).items() for whose in names][:most]
        previous = ""
        for whose, reason in cells:
            why = "″" if reason and reason == previous else prose(reason)
            rows.append(f"| {code(whose)} | {why} |" if named else f"- {code(whose)}")
            previous = reason
        if len(group) > most:
            more = f"and {len(group) - most:,} more"
            rows.append(f"| {more} | |" if named else f"- {more}")
        heading = f"Reports that {TURNS[turn]}"
        if turn == "broken":
            yield from (f"### {heading} ({len(group):,})", "", *rows, "")
        else:
            yield from folded(heading, len(group), rows)
