"""`envlock sync`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from envlock.cli.inputs import look_at_inputs
from envlock.cli.wiring import edges_of, environments, manifest_here, only, relative, this_platform

if TYPE_CHECKING:
    from envlock.operations.sync_check import PendingChange

SIGNS = {"install": "+", "replace": "~", "reinstall": "=", "remove": "-"}
"""How a change is marked."""


@click.command("sync")
@click.argument("env", required=False, shell_complete=environments)
@click.option("--venv", type=click.Path(path_type=Path), help="Where; .venv, or .venv-ENV where there are several.")
@click.option("--python", metavar="PATH", help="The interpreter to make it with; found by version otherwise.")
@click.option("--check", is_flag=True, help="Touch nothing: say what would change (1 if anything).")
@click.option("--reinstall", is_flag=True, help="Put every file back, also of packages that seem to be there.")
@click.option("--locked", is_flag=True, help="Fail (1) where the lock no longer follows from its inputs.")
@click.option("--frozen", is_flag=True, help="Do not even look at the manifest's inputs.")
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="Print the result as JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    env: str | None,
    *,
    venv: Path | None,
    python: str | None,
    check: bool,
    reinstall: bool,
    locked: bool,
    frozen: bool,
    as_json: bool,
) -> int:
    """Install exactly the locked wheels into a virtual environment of this project, with uv.

    What the lock does not have is removed from it. Only a folder that is a virtual environment is ever touched.
    """
    import json

    from envlock.formats.pylock import read_lock

    manifest = manifest_here()
    name = only(manifest, env)
    path = manifest.lock_path(name)
    lock_file = read_lock(path)
    look_at_inputs(ctx, manifest, name, locked=locked, frozen=frozen, doing="syncing")
    target = (venv or manifest.venv_path(name)).absolute()
    if check:
        from envlock.adapters.cache import Cache
        from envlock.adapters.interpreter import TargetPython
        from envlock.cli.progress import progress_for
        from envlock.operations.records import records_at_hand
        from envlock.operations.sync_check import pending_changes

        progress = progress_for(quiet=ctx.obj["quiet"])
        changes = pending_changes(
            lock_file,
            this_platform(),
            target,
            interpreter=TargetPython(),
            records=records_at_hand(path.parent, Cache()),
            progress=progress,
        )
        again = f"envlock sync {name}" + (f" --venv {relative(target)}" if venv else "")
        _say_pending(changes, name, relative(target), again, as_json=as_json)
        return int(bool(changes))

    from envlock.adapters.uv import Uv
    from envlock.operations.sync import sync_environment
    from envlock.report.style import count

    packages = sync_environment(
        lock_file.lock,
        this_platform(),
        target,
        folder=path.parent,
        python=python,
        installer=Uv(offline=ctx.obj["offline"]),
        edges=edges_of(ctx, manifest),
        reinstall=reinstall,
    )
    if as_json:
        click.echo(json.dumps({"schema": 1, "env": name, "venv": relative(target), "packages": packages}, indent=2))
    else:
        click.echo(f"{name}: {count(packages, 'package')} in {relative(target)}")
        click.echo(f"  next: envlock verify {name} --python {relative(target)} --full")
    return 0


def _say_pending(changes: tuple[PendingChange, ...], env: str, venv: str, again: str, *, as_json: bool) -> None:
    import json

    import msgspec

    from envlock.report.style import count

    if as_json:
        rows = [msgspec.to_builtins(change) for change in changes]
        click.echo(json.dumps({"schema": 1, "env": env, "venv": venv, "changes": rows}, indent=2))
        return
    click.echo(f"{env}: {venv} " + (f"would change: {count(len(changes), 'package')}" if changes else "is in sync"))
    for change in changes:
        versions = [change.before, change.after] if change.action == "replace" else [change.after or change.before]
        click.echo(f"  {SIGNS[change.action]} {change.name} {' → '.join(versions)}")
    if changes:
        click.echo(f"  next: {again}")
