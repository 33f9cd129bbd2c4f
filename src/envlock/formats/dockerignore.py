"""Reads `.dockerignore` as Docker does (docs.docker.com, build context; moby's patternmatcher).

The matcher of docker's own Python client is another one: it ignores case, keeps `.dockerignore` whatever the file says,
and does not find a file that `!` takes back below a folder that `**` matches.
"""

from __future__ import annotations

import msgspec

from envlock.errors import UsageError
from envlock.model.path_pattern import Pattern, pattern_of

FILENAME = ".dockerignore"
_BOM = b"\xef\xbb\xbf"


class Patterns(msgspec.Struct, frozen=True, kw_only=True):
    """The lines of a `.dockerignore`, of which the last one that matches a path decides."""

    rows: tuple[Pattern, ...] = ()

    def exclude(self, path: str) -> bool:
        """Tell whether a path is left out: it matches, or a folder above it, and no later `!` takes it back."""
        excluded = False
        for pattern in self.rows:
            if pattern.exception == excluded and pattern.matches(path):
                excluded = not pattern.exception
        return excluded

    @property
    def has_exceptions(self) -> bool:
        """Whether something below an excluded folder may be kept."""
        return any(pattern.exception for pattern in self.rows)


def read_dockerignore(raw: bytes, where: str = FILENAME) -> Patterns:
    """Parse the file as Docker does; UsageError (`bad-dockerignore`) with the line that cannot be read."""
    try:
        lines = raw.removeprefix(_BOM).decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise UsageError("bad-dockerignore", f"{FILENAME} is not UTF-8.", where=where, found=str(error)) from None
    rows = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if line.startswith("#") or not text:
            continue
        exception = text.startswith("!")
        text = text[1:].strip() if exception else text
        try:
            if not text:
                raise ValueError("nothing after the !")
            rows.append(pattern_of(text, exception=exception))
        except ValueError as error:
            raise UsageError(
                "bad-dockerignore",
                f"Line {number} of {FILENAME} is no pattern.",
                where=f"{where}:{number}",
                expected="a pattern such as data/**/*.csv, with ! before it to keep what it matches",
                found=f"{line.strip()}: {error}",
            ) from None
    return Patterns(rows=tuple(rows))
