"""`envlock init`."""

from __future__ import annotations

from pathlib import Path

import click

from envlock.errors import UsageError


@click.command("init")
@click.option("--env", default="train", show_default=True, help="Name of the environment.")
@click.option("--python", default=None, metavar="X.Y", help="Python feature version; this interpreter's by default.")
@click.option("--force", is_flag=True, help="Replace an envlock.toml that is there.")
def command(*, env: str, python: str | None, force: bool) -> None:
    """Write a first envlock.toml from the requirements.txt or pyproject.toml that is here."""
    from envlock.operations.init import initial_manifest
    from envlock.operations.lock import write_beside

    path = Path("envlock.toml")
    if path.exists() and not force:
        raise UsageError(
            "manifest-exists", "There is an envlock.toml already.", where=str(path), hint="Edit it, or --force."
        )
    text = initial_manifest(Path.cwd(), env=env, python=python)
    write_beside(path.absolute(), text.encode())
    click.echo(f"wrote {path}\n  next: envlock lock")
