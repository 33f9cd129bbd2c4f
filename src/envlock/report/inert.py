"""Text of strangers inside of Markdown of ours, where it can do nothing.

What somebody else calls a thing stands in `code` and every punctuation mark of it is an entity, so that it can neither
end a table's cell, nor become a link or HTML, nor mention anybody: GitHub and GitLab look for none of that inside of
code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from envlock.errors import one_line

COMMENT = 65_000
"""Bytes that fit into a comment: GitHub takes 65,536 characters."""
_WIDEST = 300
_SYNTAX = re.compile(r"[^\w\s.,/\-]|_|^www|(?<=\W)www", re.ASCII)


def code(text: str) -> str:
    """Return text as inline code, cut where it is long; empty where it is empty."""
    return f"<code>{_inert(_cut(text))}</code>" if text else ""


def prose(text: str) -> str:
    """Return text outside of code, where `@` and `#` would still find somebody if they stood at a word."""
    return re.sub(r"&#(64|35);", r"&#\1;&#8203;", _inert(_cut(text)))


def block(rows: Sequence[str]) -> list[str]:
    """Return commands as a fenced block whose fence is longer than any run of backticks in it."""
    longest = max((len(run) for row in rows for run in re.findall("`+", row)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}sh", *rows, fence]


def folded(heading: str, number: int, rows: Iterable[str]) -> list[str]:
    """Return rows under a heading of ours that has to be clicked, which says how many they are."""
    return [f"<details><summary>{heading} ({number:,})</summary>", "", *rows, "", "</details>", ""]


def _inert(text: str) -> str:
    return _SYNTAX.sub(lambda match: f"&#{ord(match[0][0])};{match[0][1:]}", text)


def _cut(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _WIDEST else line[: _WIDEST - 1] + "…"
