"""What `--locked` and `--frozen` mean, for every command that reads a lock."""

from __future__ import annotations

import click

from envlock.errors import StaleError
from envlock.model.manifest import Manifest


def look_at_inputs(
    ctx: click.Context, manifest: Manifest, name: str, *, locked: bool, frozen: bool, doing: str
) -> None:
    """Ask whether a lock still follows from its inputs: a warning by default, StaleError where `locked`.

    `frozen` asks nothing. `doing` ends the warning, such as "building".
    """
    if locked and frozen:
        raise click.UsageError("--locked and --frozen exclude each other.")
    if frozen:
        return
    from envlock.operations.check import check_environment

    changed = check_environment(manifest, name)
    if not changed:
        return
    if locked:
        raise StaleError(
            "stale-lock",
            f"The lock of {name!r} does not follow from its inputs.",
            found="; ".join(changed),
            hint=f"Run `envlock lock {name}`.",
        )
    if not ctx.obj["quiet"]:
        click.secho(
            f"warning: the lock of {name!r} is stale ({changed[0]}); {doing} what is locked.", fg="yellow", err=True
        )
