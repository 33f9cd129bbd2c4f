"""`envlock fetch`."""

from __future__ import annotations

from pathlib import Path

import click

from envlock.cli.wiring import chosen, edges_of, environments, manifest_here, relative
from envlock.errors import one_line

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command("fetch")
@click.argument("envs", nargs=-1, metavar="[ENV]...", shell_complete=environments)
@click.option("--to", type=_FOLDER, metavar="DIR", help="Also copy everything to a folder, for an air gap.")
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    envvar="ENVLOCK_FETCH_FROM",
    metavar="DIR",
    help="Take everything from such a folder.",
)
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    envvar="ENVLOCK_FETCH_PLATFORM",
    metavar="OS/ARCH",
    help="Only for these platforms; all of the lock's.",
)
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="Print the result as JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    envs: tuple[str, ...],
    *,
    to: Path | None,
    source: Path | None,
    platforms: tuple[str, ...],
    as_json: bool,
) -> int:
    """Bring every artifact of a lock to this machine, verified, from whatever index this machine uses.

    Wheels that the lock gives a path are also placed beside it, so that `uv pip sync` and pip install from the lock.

    Where there is no network: `envlock fetch --to DIR` elsewhere, carry DIR and the project over, `envlock fetch --from
    DIR`; every command then works with --offline. DIR can also be the cache itself: ENVLOCK_CACHE_DIR=DIR.
    """
    import json

    from envlock.formats.pylock import read_lock
    from envlock.model.platform import Platform
    from envlock.operations.airgap import artifacts_of, carry_in, carry_out, fetch_all
    from envlock.operations.fetch import place_beside
    from envlock.operations.references import neighbours
    from envlock.operations.remote_layers import RemoteLayers

    if to is not None and source is not None:
        raise click.UsageError("--to and --from exclude each other.")
    manifest = manifest_here()
    edges = edges_of(ctx, manifest)
    way = f"to {to}" if to is not None else f"from {source}" if source is not None else ""
    rows = []

    def warn(text: str) -> None:
        click.secho(f"warning: {one_line(text)}", fg="yellow", err=True)

    for name in chosen(manifest, envs):
        path = manifest.lock_path(name)
        lock = read_lock(path).lock
        wanted = tuple(Platform.parse(text) for text in platforms) or lock.platforms
        artifacts = artifacts_of(lock, wanted)
        copied = 0
        if source is not None:
            copied = carry_in(artifacts, source, edges.artifacts, edges.progress)
        remote = RemoteLayers(neighbours(manifest, name, lock), edges.registry, warn)
        found = fetch_all(lock, wanted, folder=path.parent, edges=edges, brought=remote)
        if to is not None:
            copied = carry_out(artifacts, edges.artifacts, to, edges.progress)
        placed = place_beside(lock, found, path.parent)
        size = sum(artifact.size for artifact in artifacts)
        if lock.base is not None and lock.base.image is not None and way:
            reference = lock.base.image.reference
            click.secho(f"note: the base {reference} is not among them: building takes it from its registry", err=True)
        rows.append({"env": name, "artifacts": len(artifacts), "bytes": size, "copied": copied, "placed": placed})
        if not as_json:
            parts = [
                f"{len(artifacts)} artifacts at hand, {size / 1e6:.0f} MB",
                f"{copied / 1e6:.0f} MB copied {way}" if way else "",
                f"{placed} placed beside {relative(path)}" if placed else "",
            ]
            click.echo(f"{name}: " + "; ".join(part for part in parts if part))
    if as_json:
        click.echo(json.dumps({"schema": 1, "fetched": rows}, indent=2))
    return 0
