"""How text is marked: renderers name a meaning, whoever prints chooses colours or none."""

from __future__ import annotations

import re
import unicodedata
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


def columns_of(text: str) -> int:
    """Return how many columns a terminal takes for a text: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def padded(text: str, columns: int) -> str:
    """Return text with as many spaces after it as make it that wide."""
    return text + " " * (columns - columns_of(text))


def wrapped(text: str, indent: str, width: int) -> list[str]:
    """Return text as lines of at most `width`, each after `indent`."""
    import textwrap

    lines = textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    # GitHub's runner takes a line that begins so for a command, whatever stands before it in blanks.
    return [re.sub(r"^( *)::", r"\1\\::", line) for line in lines]
