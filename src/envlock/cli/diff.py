"""`envlock diff`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from envlock.cli.console import style_of, width
from envlock.cli.wiring import manifest_here

if TYPE_CHECKING:
    from envlock.model.lock import LockFile


@click.command("diff")
@click.argument("before")
@click.argument("after")
@click.option("--exit-code", is_flag=True, help="Exit with 1 where they differ, as git diff does.")
@click.option("-v", "--verbose", is_flag=True, help="List every change, cosmetic ones too.")
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="Print the difference as JSON.")
@click.pass_context
def command(ctx: click.Context, before: str, after: str, *, exit_code: bool, verbose: bool, as_json: bool) -> int:
    """Say what differs between two locks, what changes results first.

    BEFORE and AFTER are environments of the manifest, or lock files.
    """
    from envlock.operations.diff import diff_locks, exit_code_of
    from envlock.report.difference import difference_json, difference_text

    difference = diff_locks(_read(before), _read(after), before_name=before, after_name=after)
    if as_json:
        click.echo(difference_json(difference))
    else:
        text = difference_text(difference, style=style_of(ctx), width=width(), everything=verbose)
        click.echo(text, nl=False)
    return exit_code_of(difference, exit_code=exit_code)


def _read(reference: str) -> LockFile:
    from envlock.formats.pylock import read_lock

    path = Path(reference)
    if reference.endswith(".toml") or path.is_file():
        return read_lock(path)
    manifest = manifest_here()
    manifest.environment(reference)
    return read_lock(manifest.lock_path(reference))
