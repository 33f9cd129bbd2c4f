"""Errors that a user can act on, each with the exit code that design section 5 gives it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar


def printable(text: str) -> str:
    """Escape control characters and undecodable bytes: what a hostile target is called must not steer a terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def did_you_mean(found: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return the hint that names what is nearest to a mistyped name; `otherwise` where nothing is near."""
    import difflib

    near = difflib.get_close_matches(found, list(known), 1)
    return f"Did you mean {near[0]!r}?" if near else otherwise


def one_line(text: str) -> str:
    """Escape what `printable` does, and line breaks and tabs: for a value that must not pass for a line of ours."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def _indented(text: str) -> str:
    """Return printable text whose further lines are indented, so that none passes for a line of ours.

    Nor for a command of a CI runner: GitHub's takes one after any blanks, and `##[` wherever it stands.
    """
    lines = re.sub(r"\n {0,3}(?! )", "\n    ", printable(text))
    return re.sub(r"(?m)^( *)::", r"\1\\::", lines).replace("##[", "##\\[")


class EnvlockError(Exception):
    """A problem said whole: what, where, expected, found and the next step.

    Args:
        reference: a kebab-case name, stable across versions, for documentation and `--json`.
        what: one sentence.
        where: file, package or URL (credentials removed).
        expected: what should have been there.
        found: what was there.
        hint: the next step.
    """

    exit_code: ClassVar[int] = 2

    def __init__(
        self, reference: str, what: str, *, where: str = "", expected: str = "", found: str = "", hint: str = ""
    ) -> None:
        super().__init__(what)
        self.reference = reference
        self.what = what
        self.where = where
        self.expected = expected
        self.found = found
        self.hint = hint

    def __str__(self) -> str:
        lines = [f"{_indented(self.what)} [{self.reference}]"]
        lines += [
            f"  {label}: {_indented(value)}"
            for label, value in (
                ("where", self.where),
                ("expected", self.expected),
                ("found", self.found),
                ("next", self.hint),
            )
            if value
        ]
        return "\n".join(lines)


class UsageError(EnvlockError):
    """Usage, configuration or I/O: no verdict was reached (exit code 2)."""


class StaleError(EnvlockError):
    """The lock no longer follows from its inputs, or the target drifted from it (exit code 1)."""

    exit_code = 1


class UnverifiableError(EnvlockError):
    """Something that must be known could not be observed (exit code 3)."""

    exit_code = 3


class IntegrityError(EnvlockError):
    """Bytes contradict the digest or signature that vouches for them (exit code 4)."""

    exit_code = 4
