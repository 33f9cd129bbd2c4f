"""A review as text for people, as JSON, and as annotations of GitHub Actions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import msgspec

from envlock.model.report import Told
from envlock.model.review import Effect, Review, Reviewed, Turn
from envlock.report.difference import difference_text
from envlock.report.github import annotation, inert
from envlock.report.style import Meaning, Style, count, plain, wrapped

SCHEMA = 1
_MOST = 12
"""Of the reports that one reason is told of."""
TURNS: dict[Turn, str] = {
    "broken": "matched and would no longer",
    "gone": "this change takes out",
    "unknown": "nobody can judge",
    "mended": "did not match and would now",
    "kept": "matched and still would",
    "apart": "match the lock neither before nor after",
}
"""What becomes of kept reports, the gravest first."""


def review_json(review: Review) -> str:
    """Return the review as JSON, schema 1: later versions of it only add keys."""
    said = {"missing": [each.label for each in review.missing], "exit_code": review.exit_code}
    return json.dumps({"schema": SCHEMA, **msgspec.to_builtins(review), **said}, indent=2, ensure_ascii=False)


def review_text(review: Review, *, style: Style = plain, width: int = 100, everything: bool = False) -> str:
    """Return the review for people; `everything` lists changes and reports that are else only counted."""
    lines = [style(headline(review), "strong"), ""]
    for each in review.told:
        lines += _environment(each, style, width, everything=everything)
    for note in review.notes:
        lines += [style(line, "warn") for line in wrapped(note, "", width)]
    for demand in review.demands:
        mark = style("✓", "good") if demand.given else style("✗", "bad")
        lines.append(f"{mark} label {demand.label}: {'given' if demand.given else 'missing'}")
        most = len(demand.because) if everything else 3
        for line in demand.because[:most]:
            lines += [style(row, "faint") for row in wrapped(line, "    ", width)]
        if len(demand.because) > most:
            lines.append(style(f"    and {len(demand.because) - most} more", "faint"))
    if steps := next_steps(review):
        lines += [*([""] if lines[-1] else []), "Next:", *(f"  {step}" for step in steps)]
    return "\n".join(lines).rstrip("\n") + "\n"


def review_github(review: Review) -> str:
    """Return one workflow command a line: errors fail the job, warnings say which reports no longer match."""
    lines = []
    for each in review.told:
        at = {"file": each.lock, "line": "1"}
        if each.refused:
            lines.append(annotation("error", each.refused, **at, title=f"{each.env}: reports are refused"))
        if each.unchecked:
            lines.append(annotation("error", each.unchecked, **at, title=f"{each.env}: reports were not checked"))
        lines += [annotation("error", why, **at, title=f"{each.env}: the lock is stale") for why in each.stale]
        broken = [effect for effect in each.effects if effect.turn == "broken"]
        if broken:
            message = "\n".join(f"{', '.join(names)}: {reason}" for reason, names in by_reason(broken).items())
            title = f"{each.env}: {count(len(broken), 'report')} would no longer match"
            lines.append(annotation("warning", message, **at, title=title))
    for demand in review.missing:
        message = "\n".join(demand.because)
        lines.append(annotation("error", message, title=f"This needs the label {demand.label}"))
    lines += [annotation("warning", note, title="envlock review") for note in review.notes]
    lines.append(inert(f"envlock review: {headline(review)}"))
    return "\n".join(lines) + "\n"


def headline(review: Review) -> str:
    """Return what was compared and how many environments differ, in one line."""
    changed = sum(each.state != "unchanged" for each in review.environments)
    said = f"{count(changed, 'lock')} changed" if changed else "no lock changed"
    if stale := sum(bool(each.stale) for each in review.environments):
        said += f", {count(stale, 'lock')} stale"
    if review.missing:
        said += f", {count(len(review.missing), 'label')} missing"
    if any(each.refused for each in review.environments):
        said += ", reports refused"
    if any(each.unchecked for each in review.environments):
        said += ", reports not checked"
    commit = review.base_revision.commit[:12]
    base = review.base if commit.startswith(review.base[:12]) else f"{review.base} ({commit})"
    return f"{base} → {review.head or 'the work tree'}: {said}"


def state_line(reviewed: Reviewed) -> str:
    """Return what became of an environment that has no lock on one side; empty for others."""
    what = ", ".join(reviewed.frameworks)
    if reviewed.state == "added":
        return f"a new environment{f', with {what}' if what else ''}"
    return f"its lock is taken out{f', with {what}' if what else ''}" if reviewed.state == "removed" else ""


def by_turn(effects: Sequence[Effect]) -> Iterator[tuple[Turn, list[Effect]]]:
    """Yield the kept reports by what becomes of them, the gravest first."""
    for turn in TURNS:
        if group := [effect for effect in effects if effect.turn == turn]:
            yield turn, group


def because(effect: Effect) -> str:
    """Return why a report does not match the later lock, in one line."""
    return effect.reason or "; ".join(map(_told, effect.findings))


def by_reason(effects: Sequence[Effect]) -> dict[str, list[str]]:
    """Return whose reports have each reason, the commonest first: half a team may differ in the same package."""
    found: dict[str, list[str]] = {}
    for effect in effects:
        found.setdefault(because(effect), []).append(who(effect))
    return dict(sorted(found.items(), key=lambda row: -len(row[1])))


def who(effect: Effect) -> str:
    """Return whose a report is, when it was made and who signed it."""
    signed = f", {effect.signer}" if effect.signer else ""
    return f"{effect.name} ({effect.created[:10]}{signed})" if effect.created else effect.name


def next_steps(review: Review) -> list[str]:
    """Return the commands, or what else is to be done, so that the review passes."""
    steps = [f"envlock lock {each.env}" for each in review.environments if each.stale]
    labels = [demand.label for demand in review.missing]
    if labels:
        steps.append(f"have it agreed, and give the pull request the {_labels(labels)}")
    if any(each.refused for each in review.environments):
        steps.append("have the refused reports made and signed again: envlock report --as NAME --sign KEY")
    late = [each.env for each in review.told if any(effect.turn == "broken" for effect in each.effects)]
    steps += [f"once it is merged, each teammate: envlock sync {env}, envlock report {env} --as NAME" for env in late]
    return steps


def _labels(names: Sequence[str]) -> str:
    return f"label {names[0]}" if len(names) == 1 else f"labels {', '.join(names)}"


def _told(told: Told) -> str:
    parts = [f"expected {told.expected}" if told.expected else "", f"found {told.found}" if told.found else ""]
    said = ", ".join(part for part in parts if part)
    return f"{told.subject}: {said}" if said else f"{told.subject} ({told.rule})"


def _environment(each: Reviewed, style: Style, width: int, *, everything: bool) -> Iterator[str]:
    if each.difference is not None:
        yield from difference_text(each.difference, style=style, width=width, everything=everything).splitlines()
    else:
        line = state_line(each)
        yield style(each.env, "strong") + (f": {line}" if line else "")
    for reason in each.stale:
        yield from (style(line, "bad") for line in wrapped(f"stale: {reason}", "", width))
    for reason in filter(None, (each.refused, each.unchecked)):
        yield from (style(line, "bad") for line in reason.splitlines())
    for turn, group in by_turn(each.effects):
        yield from _turned(turn, group, style, width, everything=everything)
    yield ""


def _turned(turn: Turn, group: Sequence[Effect], style: Style, width: int, *, everything: bool) -> Iterator[str]:
    """Yield what becomes of some reports: how many, whose, and where it matters why, those of one reason together."""
    meaning: Meaning = "bad" if turn == "broken" else "faint" if turn in ("kept", "apart") else "warn"
    yield f"{count(len(group), 'report')} that {style(TURNS[turn], meaning)}:"
    reasoned = turn in ("broken", "unknown") or everything
    for reason, names in by_reason(group).items() if reasoned else [("", list(map(who, group)))]:
        shown = names if everything else names[:_MOST]
        told = ", ".join(shown) + (f" and {len(names) - len(shown)} more" if len(shown) < len(names) else "")
        yield from wrapped(told, "    ", width)
        if reason:
            yield from (style(line, "faint") for line in wrapped(reason, "      ", width))
