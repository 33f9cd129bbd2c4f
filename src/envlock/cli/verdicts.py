"""Prints a verdict in the form that was asked for, and writes it to files in others."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from envlock.cli.console import style_of, width
from envlock.cli.wiring import relative
from envlock.errors import UsageError

if TYPE_CHECKING:
    from envlock.model.finding import Verdict
    from envlock.report.formats import Format

FORMATS = ("human", "json", "junit", "sarif", "github", "markdown", "html")
"""The forms of a verdict, as `report.formats` renders them; here so that --help need not import it."""
_PLACED = ("github", "sarif")
"""Forms that point at lines of the lock."""


class Printer:
    """Where a verdict goes. Files that cannot be meant are refused before anything is observed."""

    def __init__(
        self, ctx: click.Context, form: Format, outputs: Sequence[str], *, everything: bool, lock: Path
    ) -> None:
        self._ctx = ctx
        self._form = form
        self._everything = everything
        self._lock = lock
        self._outputs = [_parsed(text) for text in outputs]

    def tell(self, verdict: Verdict, *, shown: bool = False) -> None:
        """Write the files, then print, unless the same terminal has `shown` it; --quiet prints no match for people."""
        for form, path in self._outputs:
            _write(path, self._rendered(verdict, form, watched=False))
        if not (shown and self._form == "human" and sys.stdout.isatty()):
            self.show(verdict)

    def show(self, verdict: Verdict, *, to_stderr: bool = False) -> None:
        """Print the verdict; on stderr it is the text for people."""
        form: Format = "human" if to_stderr else self._form
        if form == "human" and self._ctx.obj["quiet"] and not verdict.exit_code:
            return
        text = self._rendered(verdict, form, watched=True)
        click.echo(text, nl=False, err=to_stderr)

    def _rendered(self, verdict: Verdict, form: Format, *, watched: bool) -> str:
        from envlock.report.formats import render
        from envlock.report.lock_lines import lock_lines
        from envlock.report.style import plain
        from envlock.verify.rules import all_rules

        lines = lock_lines(_in_repository(self._lock), self._lock.read_bytes()) if form in _PLACED else None

        return render(
            verdict,
            form,
            rules=all_rules(),
            lock=lines,
            style=style_of(self._ctx) if watched else plain,
            width=width() if watched else 100,
            everything=self._everything or (not watched and form != "markdown"),  # it is a comment's, which has a limit
        )


def _in_repository(path: Path) -> str:
    """Return a file's path as git calls it, with `/`; its own last two parts outside of any repository."""
    whole = path.absolute()
    root = next((folder for folder in whole.parents if (folder / ".git").exists()), whole.parents[1])
    return whole.relative_to(root).as_posix()


def _parsed(text: str) -> tuple[Format, Path]:
    from envlock.report.formats import parse_output

    if text.rpartition(":")[2] == "-":
        raise UsageError("no-output", "--output is for files.", found=text, hint="On stdout it is --format FORMAT.")
    form, name = parse_output(text)
    path = Path(name)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(
            "no-output",
            "The verdict cannot be written there.",
            where=f"--output {text}",
            expected="a file in a folder that exists",
            found="a folder" if path.is_dir() else f"no folder {relative(path.absolute().parent)}",
            hint="" if path.is_dir() else "Make the folder first.",
        )
    return form, path


def _write(path: Path, text: str) -> None:
    from envlock.formats.beside import write_named

    write_named(path, text.encode("utf-8"))
