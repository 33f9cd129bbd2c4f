"""How text is marked: renderers name a meaning, whoever prints chooses colours or none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

Meaning = Literal["bad", "warn", "good", "faint", "strong"]
Style = Callable[[str, Meaning], str]


def plain(text: str, meaning: Meaning) -> str:  # noqa: ARG001
    """Mark nothing: for pipes, files and NO_COLOR."""
    return text


def count(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 error`` or ``16,597 files``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def wrapped(text: str, indent: str, width: int) -> list[str]:
    """Return text as lines of at most `width`, each after `indent`."""
    import textwrap

    return textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
