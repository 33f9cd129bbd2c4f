"""Takes out of a text what says who or where somebody is: paths, names, addresses, credentials, serial numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable

from envlock.errors import one_line

_REPLACED: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("<url>", re.compile(r"(?<![a-z0-9+.-])[a-z0-9+.-]+://(?:<name>|[^\s'\"<>,;])+", re.IGNORECASE)),
    ("<uuid>", re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE)),
    ("<address>", re.compile(r"\b(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}\b", re.IGNORECASE)),
    ("<address>", re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])")),
    ("<address>", re.compile(r"(?<![\w:])(?:[0-9a-f]{1,4}:){3,7}(?::|[0-9a-f]{1,4})(?![\w:])", re.IGNORECASE)),
    (
        "<address>",
        re.compile(
            r"(?<![\w:.])(?=[0-9a-f:]*::)(?=[0-9a-f:]*[0-9a-f])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,8}(?![\w:])",
            re.IGNORECASE,
        ),
    ),
    ("<address>", re.compile(r"(?<![\w.+-])(?<!<name>)(?:<name>|[\w.+-])+@(?:<name>|[\w.-])+")),
    (
        "<token>",
        re.compile(
            r"\b(?:gh[pousr]_|github_pat_|glpat-|hf_|sk-|xox[abp]-|pypi-|AKIA|eyJ)[\w.-]{12,}"
            r"|(?i:(?:token|password|passwd|secret|api[-_]?key)[\w-]{0,20}[\"']?\s*[=:]\s*)[^\s,;]+"
            r"|(?i:\bbearer\s+)[^\s,;]{8,}"
        ),
    ),
    (
        "<path>",
        re.compile(
            r"(?<![\w.<])(?:[A-Za-z]:[\\/]|\\\\|~(?:<name>|[\w.-])*/|/(?=[\w.~@+<-]))(?:<name>|[^\s:;,'\"()<>])*"
        ),
    ),
)
_MARK = re.compile(r"<[a-z]+( [a-z]+)?>")
_COMMON = frozenset({"root", "user", "admin", "python", "linux", "localhost", "test", "build", "runner"})
"""Names that say of nobody who they are, and are words of messages."""


def redacted(text: str, names: Iterable[str] = ()) -> str:
    """Return a text in one line, with a mark such as ``<path>`` in place of what is private.

    `names` are those of this machine and of its user.
    """
    text = unnamed(one_line(text), names)  # first: a path would end at the space of a name in it
    for mark, pattern in _REPLACED:
        text = pattern.sub(mark, text)
    return text


def unnamed(text: str, names: Iterable[str]) -> str:
    """Return a text without these names where they stand as words."""
    for name in names:
        if len(name) > 2 and name.lower() not in _COMMON:
            text = re.sub(rf"(?<![\w<]){re.escape(name)}(?![\w>])", "<name>", text, flags=re.IGNORECASE)
    return text


def is_redacted(text: str) -> bool:
    """Tell whether something was taken out, so that equal texts may have been different ones."""
    return _MARK.search(text) is not None
