"""Colours and width of what is printed: none where NO_COLOR is set or nobody watches."""

from __future__ import annotations

import os
import shutil
import sys

import click

from envlock.report.style import Meaning, Style, plain

_LOOKS: dict[Meaning, dict[str, object]] = {
    "bad": {"fg": "red", "bold": True},
    "warn": {"fg": "yellow"},
    "good": {"fg": "green", "bold": True},
    "faint": {"dim": True},
    "strong": {"bold": True},
}


def style_of(ctx: click.Context) -> Style:
    """Return how words are marked on stdout."""
    if ctx.color is False or os.environ.get("NO_COLOR"):
        return plain
    if not sys.stdout.isatty() and not os.environ.get("FORCE_COLOR"):
        return plain
    return lambda text, meaning: click.style(text, **_LOOKS[meaning])  # type: ignore[arg-type]


def width() -> int:
    """Return the columns to fill: the terminal's, 100 at most."""
    return min(100, shutil.get_terminal_size((100, 24)).columns)
