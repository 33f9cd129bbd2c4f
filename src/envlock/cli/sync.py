"""`envlock sync`."""

from __future__ import annotations

from pathlib import Path

import click

from envlock.cli.wiring import edges_of, manifest_here, only, relative


@click.command("sync")
@click.argument("env", required=False)
@click.option("--venv", type=click.Path(path_type=Path), help="Where; .venv, or .venv-ENV where there are several.")
@click.option("--python", metavar="PATH", help="The interpreter to make it with; found by version otherwise.")
@click.option("--reinstall", is_flag=True, help="Put every file back, also of packages that seem to be there.")
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="Print the result as JSON.")
@click.pass_context
def command(
    ctx: click.Context, env: str | None, *, venv: Path | None, python: str | None, reinstall: bool, as_json: bool
) -> None:
    """Install exactly the locked wheels into a virtual environment of this project, with uv."""
    import json

    from envlock.adapters.uv import Uv
    from envlock.cli.wiring import this_platform
    from envlock.formats.pylock import read_lock
    from envlock.operations.sync import sync_environment

    manifest = manifest_here()
    name = only(manifest, env)
    path = manifest.lock_path(name)
    target = (venv or manifest.venv_path(name)).absolute()
    edges = edges_of(ctx)
    count = sync_environment(
        read_lock(path).lock,
        this_platform(),
        target,
        folder=path.parent,
        python=python,
        installer=Uv(offline=ctx.obj["offline"]),
        edges=edges,
        reinstall=reinstall,
    )
    if as_json:
        click.echo(json.dumps({"schema": 1, "env": name, "venv": relative(target), "packages": count}, indent=2))
    else:
        click.echo(f"{name}: {count} packages in {relative(target)}")
        click.echo(f"  next: envlock verify {name} --python {relative(target)} --full")
