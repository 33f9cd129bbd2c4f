"""The answer of `status` as text, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import msgspec

from envlock.errors import one_line
from envlock.model.ability import Ability, KeptReport, Standing, State, Status
from envlock.model.finding import Outcome
from envlock.report.style import Meaning, Style, count, plain

_MARKS: dict[State, tuple[str, Meaning]] = {
    "able": ("✓", "good"),
    "unable": ("✗", "bad"),
    "unknown": ("?", "warn"),
    "absent": ("-", "faint"),
}
OUTCOMES: dict[Outcome, str] = {
    "match": "match",
    "drift": "drift",
    "unverified": "not all could be verified",
    "integrity": "bytes contradict the lock",
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
        if any(report.forged for report in row.reports):
            mark, meaning = _MARKS["unable"]
        parts = [
            f"lock {row.lock}",
            f"venv {row.venv}" if row.venv else "",
            _image(row),
            row.hardware,
        ]
        yield f"  {style(mark, meaning)} {row.env:<{width}}  {', '.join(part for part in parts if part)}"
        told = [*row.changed[:1], *row.differences[:1]]
        for reason in told:
            yield f"    {'':<{width}}  {style(one_line(reason), 'faint')}"
        if more := len(row.changed) + len(row.differences) - len(told):
            yield f"    {'':<{width}}  " + style(f"and {count(more, 'more difference')}", "faint")
        for line in _told(row, style):
            yield f"    {'':<{width}}  {line}"
        if row.next:
            yield f"    {'':<{width}}  next: {row.next}"


def _image(row: Standing) -> str:
    if row.image:
        return "image pushed"
    return "image built" if row.built else "image vouched for" if row.vouched else ""


def _told(row: Standing, style: Style) -> Iterator[str]:
    """Yield what is known of an environment beside its lock and its venv, a line each."""
    if row.verified is not None:
        done = row.verified
        of = "" if done.lock == row.lock_digest else ", of another lock than this one"
        yield style(f"verified {moment(done.when)} here ({done.mode}): {OUTCOMES[done.outcome]}{of}", "faint")
    if row.built:
        yield style(one_line(f"built in {row.built}"), "faint")
    if row.image:
        yield style(one_line(row.image), "faint")
    if row.tags:
        unasked = f" ({row.unasked_tags} more tags were not asked)" if row.unasked_tags else ""
        yield style(one_line(f"tagged {', '.join(row.tags)}{unasked}"), "faint")
    for report in row.reports:
        yield _report(report, style)
    if row.older_reports:
        yield style(f"and {count(row.older_reports, 'more report')}: envlock compare", "faint")


def _report(report: KeptReport, style: Style) -> str:
    if report.refused:
        return f"{style('✗', 'bad')} report of {one_line(report.name)}: {one_line(report.refused)}"
    outcome = OUTCOMES[report.outcome] if report.outcome is not None else "not held against a lock"
    of = "" if report.current else ", of another lock than this one"
    known = "" if report.vouched else ", whom nobody here vouches for"
    signed = f", signed by {report.signer}{known}" if report.signer else ""
    return style(one_line(f"report of {report.name}, {moment(report.created)}: {outcome}{of}{signed}"), "faint")


def moment(when: str) -> str:
    """Return an RFC 3339 time of UTC to the minute."""
    return f"{when[:10]} {when[11:16]} UTC"
