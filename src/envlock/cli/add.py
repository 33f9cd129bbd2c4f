"""`envlock add`."""

from __future__ import annotations

from pathlib import Path

import click

from envlock.cli.editing import apply


@click.command("add")
@click.argument("requirements", nargs=-1, required=True, metavar="REQ...")
@click.option("--env", metavar="ENV", help="The environment; the only one by default.")
@click.option("--framework", is_flag=True, help="Put them among `frameworks`: what decides the results.")
@click.option("--no-lock", is_flag=True, help="Write the manifest only.")
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="Print the result as JSON.")
@click.pass_context
def command(
    ctx: click.Context, requirements: tuple[str, ...], *, env: str | None, framework: bool, no_lock: bool, as_json: bool
) -> int:
    """Add PEP 508 requirements to an environment of the manifest, and lock it.

    A requirement of the same project is replaced. Comments and formatting stay. Where the result cannot be locked, the
    manifest is put back as it was.
    """
    from envlock.operations.edit import add_requirements

    return apply(
        ctx, add_requirements(Path.cwd(), env, requirements, framework=framework), lock=not no_lock, as_json=as_json
    )
