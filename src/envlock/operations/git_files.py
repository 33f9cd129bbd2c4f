"""The lines that locks need in .gitattributes and .gitignore."""

from __future__ import annotations

from collections.abc import Sequence

ATTRIBUTES = (
    "lockfiles/*.toml text eol=lf merge=envlock linguist-generated",
    "lockfiles/envlock.sum text eol=lf merge=union linguist-generated",
)
IGNORED = ("/.envlock/", "/.venv*/", "/lockfiles/wheels/")


def with_lines(text: str, lines: Sequence[str]) -> str:
    """Return a file with those of `lines` at its end that it does not have yet.

    A line counts as there where the file has one for the same pattern: the user may know better.
    """
    there = {line.split()[0].strip("/") for line in text.splitlines() if line.split()}
    missing = [line for line in lines if line.split()[0].strip("/") not in there]
    if not missing:
        return text
    start = text if not text or text.endswith("\n") else text + "\n"
    return start + "".join(f"{line}\n" for line in missing)
