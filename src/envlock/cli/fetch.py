"""`envlock fetch`."""

from __future__ import annotations

import click

from envlock.cli.wiring import chosen, edges_of, manifest_here, relative


@click.command("fetch")
@click.argument("envs", nargs=-1, metavar="[ENV]...")
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="Print the result as JSON.")
@click.pass_context
def command(ctx: click.Context, envs: tuple[str, ...], *, as_json: bool) -> int:
    """Bring every artifact of a lock to this machine, verified, from whatever index this machine uses.

    Wheels of a lock with urls = "omit" are also placed beside it, so that `uv pip sync` and pip install from the lock.
    """
    import json

    from envlock.formats.pylock import read_lock
    from envlock.operations.fetch import fetch_debs, place_beside
    from envlock.operations.wheels import Wheels

    manifest = manifest_here()
    edges = edges_of(ctx)
    rows = []
    for name in chosen(manifest, envs):
        path = manifest.lock_path(name)
        lock = read_lock(path).lock
        count = placed = 0
        for platform in lock.platforms:
            found = Wheels(lock, platform, folder=path.parent, edges=edges).all()
            count += len(found)
            placed += place_beside(lock, found, path.parent)
            if lock.base is not None:
                debs = lock.base.of(platform)
                count += len(
                    fetch_debs(
                        debs,
                        archives=edges.archives.at(lock.base.suites),
                        artifacts=edges.artifacts,
                        progress=edges.progress,
                    )
                )
        rows.append({"env": name, "artifacts": count, "placed": placed})
        if not as_json:
            click.echo(
                f"{name}: {count} artifacts at hand" + (f", {placed} placed beside {relative(path)}" if placed else "")
            )
    if as_json:
        click.echo(json.dumps({"schema": 1, "fetched": rows}, indent=2))
    return 0
