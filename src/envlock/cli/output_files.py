"""Files that `--output [FORMAT:]FILE` asks for, refused before anything takes time."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from envlock.cli.wiring import relative
from envlock.errors import UsageError


def parsed_output(text: str, forms: Collection[str], what: str) -> tuple[str, Path]:
    """Return (form, file) of an `--output`.

    Args:
        text: FORMAT:FILE, or a FILE whose suffix says the form.
        forms: those that there are.
        what: is written, such as `comparison`.

    Raises:
        UsageError: `unknown-format`, `no-output`.
    """
    from envlock.report.formats import parse_output

    form, name = parse_output(text)
    if name == "-":
        raise UsageError("no-output", "--output is for files.", found=text, hint="On stdout it is --format FORMAT.")
    if form not in forms:
        raise UsageError(
            "unknown-format",
            f"A {what} has no such form.",
            where=f"--output {text}",
            expected="one of: " + ", ".join(forms),
            found=form,
        )
    path = Path(name)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(
            "no-output",
            f"The {what} cannot be written there.",
            where=f"--output {text}",
            expected="a file in a folder that exists",
            found="a folder" if path.is_dir() else f"no folder {relative(path.absolute().parent)}",
            hint="" if path.is_dir() else "Make the folder first.",
        )
    return form, path


def write_output(path: Path, text: str) -> None:
    """Write a file whole, or leave it as it was."""
    from envlock.formats.beside import write_named

    write_named(path, text.encode("utf-8"))
