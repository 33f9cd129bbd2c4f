"""The story of a lock as text, JSON or Markdown: each commit with what it changed that matters."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec

from envlock.errors import one_line
from envlock.model.change import Change
from envlock.model.fact import Fact
from envlock.model.story import Chapter, Event, Story
from envlock.report.difference import note_of
from envlock.report.inert import COMMENT, code, prose
from envlock.report.style import Meaning, Style, count, plain, wrapped

SCHEMA = 1
_MOST = 3
"""How many changes of a commit are listed unless all are asked for."""
_MARKS = {"added": "+", "removed": "-", "changed": "~", "rebuilt": "="}
_EVENTS: dict[Event, str] = {
    "added": "the lock was added",
    "changed": "nothing that matters changed",
    "removed": "the lock was removed",
    "unreadable": "this lock cannot be read",
    "cut-off": "the oldest lock that is here",
}
_DEEPER = "The clone is shallow, so older changes are not here: git fetch --unshallow"


def story_json(story: Story) -> str:
    """Return everything that is told; schema 1: later versions of it only add keys."""
    return json.dumps({"schema": SCHEMA, **msgspec.to_builtins(story)}, indent=2, ensure_ascii=False)


def story_text(story: Story, *, style: Style = plain, width: int = 100, everything: bool = False) -> str:
    """Return a paragraph for each commit, newest first; `everything` lists all changes, with what is known of them."""
    lines = [style(one_line(headline(story)), "strong")]
    if story.uncommitted:
        env = story.env
        lines.append(style("!", "warn") + f" the lock here is not the committed one: envlock diff HEAD:{env} {env}")
    for chapter in story.chapters:
        lines += ["", *_heading(chapter, style), *_body(chapter, style, width, everything=everything)]
    lines += ["", *_ending(story)] if list(_ending(story)) else []
    return "\n".join(lines) + "\n"


def story_markdown(story: Story, *, limit: int = COMMENT, everything: bool = False) -> str:
    """Return the story as Markdown of at most `limit` bytes: the oldest chapters are left out, and counted."""
    shown = len(story.chapters)
    while True:
        lines = [f"## {code(story.env)}: {prose(headline(story).partition(': ')[2])}", ""]
        for chapter in story.chapters[:shown]:
            lines += [*_markdown(chapter, everything=everything), ""]
        if left := len(story.chapters) - shown:
            lines += [f"And {count(left, 'older change')}.", ""]
        lines += [f"_{prose(line)}_" for line in _ending(story)]
        text = "\n".join(lines).rstrip("\n") + "\n"
        if len(text.encode("utf-8", "backslashreplace")) <= limit or shown == 0:
            return text
        shown //= 2


def headline(story: Story) -> str:
    """Return what is told, in one line."""
    since = "" if story.start == "HEAD" else f", {story.start}"
    told = count(len(story.chapters), "change") if story.chapters else "no change"
    return f"{story.env}: {told} of {story.path}{since}"


def _heading(chapter: Chapter, style: Style) -> Iterator[str]:
    revision = chapter.revision
    names = style(f"  ({one_line(', '.join(revision.names))})", "good") if revision.names else ""
    who = one_line(f"{revision.when[:10]}  {revision.author}")
    yield f"{style(revision.commit[:10], 'warn')}  {who}{names}"
    yield f"  {style(one_line(revision.subject), 'strong')}"
    if stands_for := _image(chapter):
        yield f"  {style(one_line(stands_for), 'faint')}"


def _image(chapter: Chapter) -> str:
    """Return the image that a commit's lock stands for, in one line; empty where there is none."""
    digests = [f"{platform} {digest}" for platform, digest in chapter.images.items()]
    return "  ".join([chapter.tag, *digests]) if chapter.tag else ""


def _body(chapter: Chapter, style: Style, width: int, *, everything: bool) -> Iterator[str]:
    if not chapter.changes:
        yield f"    {one_line(_event(chapter))}"
        return
    shown = chapter.changes if everything else chapter.changes[:_MOST]
    for change in shown:
        note = one_line(note_of(change))
        line = f"{one_line(change.subject)}  {one_line(step(change))}"
        yield f"  {style(_MARKS[change.kind], _meaning(change))} {line}{style(f'  {note}', 'faint') if note else ''}"
        for fact in change.facts if everything else change.facts[:1]:
            yield from (style(text, "faint") for text in wrapped(one_line(_known(fact, change)), "      ", width))
    if more := len(chapter.changes) - len(shown):
        yield style(f"    and {count(more, 'more change')}; -v lists all", "faint")


def _known(fact: Fact, change: Change) -> str:
    return fact.text if fact.is_of(change.before, change.after) else f"{fact.span}: {fact.text}"


def _meaning(change: Change) -> Meaning:
    return "bad" if change.impact == "results" else "faint" if change.impact == "cosmetic" else "warn"


def _event(chapter: Chapter) -> str:
    said = _EVENTS[chapter.event]
    if chapter.event == "changed" and chapter.remark:
        said = "the lock changed"
    return f"{said} ({chapter.remark})" if chapter.remark else said


def step(change: Change) -> str:
    """Return from what to what something changed."""
    return f"{change.before or '-'} → {change.after or '-'}"


def _ending(story: Story) -> Iterator[str]:
    if story.more:
        yield "There are older changes: -n tells how many are shown."
    if any(chapter.event == "cut-off" for chapter in story.chapters):
        yield _DEEPER


def _markdown(chapter: Chapter, *, everything: bool) -> Iterator[str]:
    revision = chapter.revision
    names = f" ({', '.join(map(code, revision.names))})" if revision.names else ""
    yield f"### {code(revision.commit[:10])} {prose(revision.subject)}{names}"
    yield ""
    yield f"{prose(revision.author)}, {revision.when[:10]}"
    if stands_for := _image(chapter):
        yield f"<br>{code(stands_for)}"
    yield ""
    if not chapter.changes:
        yield f"- {prose(_event(chapter))}"
    shown = chapter.changes if everything else chapter.changes[:_MOST]
    for change in shown:
        note = f" <sub>{prose(text)}</sub>" if (text := note_of(change)) else ""
        mark = "**" if change.impact == "results" else ""
        yield f"- {mark}{code(change.subject)}{mark} {code(change.before or '-')} → {code(change.after or '-')}{note}"
    if more := len(chapter.changes) - len(shown):
        yield f"- and {count(more, 'more change')}"
