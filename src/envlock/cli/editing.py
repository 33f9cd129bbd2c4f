"""Writes an edited manifest and locks it: both or neither."""

from __future__ import annotations

import json

import click

from envlock.cli.wiring import manifest_here, relative
from envlock.operations.edit import Edit


def apply(ctx: click.Context, edit: Edit, *, lock: bool, as_json: bool) -> int:
    """Write an edit, run `envlock lock` on what it concerns, and return the exit code.

    Whatever ends the lock early puts manifest and locks back as they were.
    """
    from envlock.cli.lock import command as lock_command
    from envlock.formats.beside import write_beside

    if not edit.changes:
        click.echo(json.dumps({"schema": 1, "env": edit.env, "changes": []}) if as_json else "nothing to change")
        return 0
    if not as_json:
        for line in edit.changes:
            click.echo(f"{relative(edit.path)} [env.{edit.env}]: {line}")
    elif not lock:
        click.echo(json.dumps({"schema": 1, "env": edit.env, "changes": list(edit.changes)}, indent=2))
    manifest = manifest_here()
    paths = [manifest.lock_path(name) for name in edit.affected]
    locks = {path: path.read_bytes() if path.is_file() else None for path in paths}
    write_beside(edit.path, edit.after)
    if not lock:
        if not as_json:
            click.echo("  next: envlock lock " + " ".join(edit.affected))
        return 0
    try:
        code: int = ctx.invoke(lock_command, envs=edit.affected, as_json=as_json)
    except BaseException:
        write_beside(edit.path, edit.before)
        for path, raw in locks.items():
            if raw is not None:
                write_beside(path, raw)
            else:
                path.unlink(missing_ok=True)
        click.echo(f"{relative(edit.path)} is as it was before.", err=True)
        raise
    return code
