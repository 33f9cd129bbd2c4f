"""`envlock remove`."""

from __future__ import annotations

from pathlib import Path

import click

from envlock.cli.editing import apply


@click.command("remove")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--env", metavar="ENV", help="The environment; the only one by default.")
@click.option("--no-lock", is_flag=True, help="Write the manifest only.")
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="Print the result as JSON.")
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...], *, env: str | None, no_lock: bool, as_json: bool) -> int:
    """Take projects out of an environment of the manifest, and lock it.

    Comments and formatting of everything else stay. Where the result cannot be locked, the manifest is put back.
    """
    from envlock.operations.edit import remove_requirements

    return apply(ctx, remove_requirements(Path.cwd(), env, names), lock=not no_lock, as_json=as_json)
