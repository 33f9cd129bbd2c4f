"""Patterns of paths with forward slashes, as Docker has them: those of Go's filepath.Match, and `**`."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from functools import cached_property

import msgspec

_SPECIAL = re.compile(r"[*?\[\\]")


class Pattern(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One pattern, matched against paths with forward slashes that are relative to the context."""

    text: str
    """Cleaned: without a leading or trailing slash, `.` and `..` resolved."""
    exception: bool = False
    """Written with a `!`: what it matches is kept."""

    def matches(self, path: str) -> bool:
        """Tell whether the pattern matches a path, or a folder above it."""
        return any(self._regex.fullmatch(part) for part in _with_parents(path))

    def leads_to(self, folder: str) -> bool:
        """Tell whether a path below a folder might match."""
        parts = self.text.split("/")
        for part, name in zip(parts, folder.split("/"), strict=False):
            if "**" in part or "[" in part:  # brackets may hold a slash
                return True
            if not _compiled(part).fullmatch(name):
                return False
        return folder.count("/") + 1 < len(parts)

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        return _compiled(self.text)


def pattern_of(text: str, *, exception: bool = False) -> Pattern:
    """Parse one pattern; ValueError where its brackets or escapes are not closed."""
    cleaned = posixpath.normpath(text).lstrip("/")
    _compiled(cleaned)
    return Pattern(text=cleaned, exception=exception)


def _with_parents(path: str) -> Sequence[str]:
    """Return a path and every folder above it."""
    paths = [path]
    while path := posixpath.dirname(path):
        paths.append(path)
    return paths


def _compiled(text: str) -> re.Pattern[str]:
    """Translate a pattern: `*` and `?` stay within a name, `**` takes any number of folders, none too."""
    if text.startswith("**") and not _SPECIAL.search(text[2:]):
        rest = text[2:]  # Docker compares the end of the path: **.csv is any file that ends so
        before = "(?:.*/)?" if rest.startswith("/") else ".*"
        return re.compile(before + re.escape(rest.removeprefix("/")), re.DOTALL)
    regex, at = "", 0
    while at < len(text):
        character = text[at]
        at += 1
        if character == "*" and text.startswith("*", at):
            at += 2 if text.startswith("/", at + 1) else 1
            regex += "(?:.*/)?" if at < len(text) else ".*"
        elif character == "*":
            regex += "[^/]*"
        elif character == "?":
            regex += "[^/]"
        elif character == "[":
            piece, at = _class(text, at)
            regex += piece
        elif character == "\\":
            if at == len(text):
                raise ValueError("it ends in an escape")
            regex += re.escape(text[at])
            at += 1
        else:
            regex += re.escape(character)
    return re.compile(regex, re.DOTALL)


def _class(text: str, at: int) -> tuple[str, int]:
    """Translate the characters of ``[abc]``, ``[a-z]`` or ``[^a]`` from `at` on; return them and where they end."""
    negated = text.startswith("^", at)
    at += negated
    ranges = ""
    while not (text.startswith("]", at) and ranges):
        low, at = _character(text, at)
        high = low
        if text.startswith("-", at):
            high, at = _character(text, at + 1)
        if low > high:
            raise ValueError(f"{low}-{high} is the wrong way round")
        ranges += f"{re.escape(low)}-{re.escape(high)}"
    return f"[{'^' if negated else ''}{ranges}]", at + 1


def _character(text: str, at: int) -> tuple[str, int]:
    """Return the character of a class, an escaped one too, and where it ends."""
    if text.startswith("\\", at):
        at += 1
    elif text.startswith(("-", "]"), at):
        raise ValueError(f"a {text[at]} stands where a character should")
    if at >= len(text):
        raise ValueError("its [ is not closed")
    return text[at], at + 1
