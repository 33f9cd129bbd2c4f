"""`envlock lock`."""

from __future__ import annotations

import click

from envlock.cli.console import style_of, width
from envlock.cli.wiring import chosen, edges_of, manifest_here, relative


@click.command("lock")
@click.argument("envs", nargs=-1, metavar="[ENV]...")
@click.option(
    "--check", is_flag=True, help="Only ask, offline, whether the lock still follows from its inputs (1 if not)."
)
@click.option("-U", "--upgrade", is_flag=True, help="Let every pin move, the base's packages too.")
@click.option(
    "-P",
    "--upgrade-package",
    "packages",
    multiple=True,
    envvar="ENVLOCK_LOCK_UPGRADE_PACKAGE",
    metavar="PKG[==V]",
    help="Let one pin move.",
)
@click.option("--as-of", "as_of", metavar="DATE", help="Use this cutoff instead of the manifest's.")
@click.option("--dry-run", is_flag=True, help="Say what would change and write nothing.")
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="Print the result as JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    envs: tuple[str, ...],
    *,
    check: bool,
    upgrade: bool,
    packages: tuple[str, ...],
    as_of: str | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Resolve environments with uv and write lockfiles/pylock.ENV.toml.

    Pins stay where they are unless -U or -P lets them move. Without ENV, every environment of the manifest.
    """
    import json

    from envlock.operations.check import check_environment
    from envlock.operations.lock import lock_environment, previous_lock, warnings_of, write_beside
    from envlock.operations.upgrade import Upgrade

    manifest = manifest_here()
    names = chosen(manifest, envs)
    rows = []
    if check:
        stale = False
        for name in names:
            changed = check_environment(manifest, name)
            stale |= bool(changed)
            rows.append({"env": name, "fresh": not changed, "changed": changed})
            if not as_json:
                click.echo(f"{name}: " + ("the lock is fresh" if not changed else "stale"))
                for line in changed:
                    click.echo(f"  {line}")
                if changed:
                    click.echo(f"  next: envlock lock {name}")
        if as_json:
            click.echo(json.dumps({"schema": 1, "locks": rows}, indent=2))
        return int(stale)

    from envlock.formats.pylock import parse_lock, write_lock
    from envlock.operations.diff import diff_locks
    from envlock.report.difference import difference_text

    edges = edges_of(ctx)
    wanted = Upgrade(everything=upgrade, packages=packages, cutoff=parse_cutoff(as_of))
    for name in names:
        path = manifest.lock_path(name)
        previous = previous_lock(path)
        lock = lock_environment(
            manifest, name, previous=previous.lock if previous else None, upgrade=wanted, edges=edges
        )
        for warning in warnings_of(manifest, name, edges.now):
            click.secho(f"warning: {warning}", fg="yellow", err=True)
        locked = parse_lock(write_lock(lock), str(path))
        same = previous is not None and previous.raw == locked.raw
        if not same and not dry_run:
            write_beside(path, locked.raw)
        difference = diff_locks(previous, locked, before_name="before", after_name="now") if previous else None
        rows.append(
            {
                "env": name,
                "path": relative(path),
                "digest": f"sha256:{locked.digest}",
                "packages": len(lock.packages),
                "unchanged": same,
                "changes": len(difference.changes) if difference else 0,
            }
        )
        if as_json:
            continue
        built = sum(package.build is not None for package in lock.packages)
        parts = [
            f"{len(lock.packages)} packages",
            f"{built} built from source" if built else "",
            f"{len(lock.base.packages)} Debian packages" if lock.base else "",
            f"as of {lock.as_of}" if lock.as_of else "",
        ]
        state = "unchanged" if same else "would change" if dry_run else "locked"
        click.echo(f"{name}: {state}: " + ", ".join(part for part in parts if part))
        if difference is not None and not same:
            click.echo(difference_text(difference, style=style_of(ctx), width=width()), nl=False)
        click.echo(f"  {relative(path)}  sha256:{locked.digest}")
    if as_json:
        click.echo(json.dumps({"schema": 1, "locks": rows}, indent=2))
    return 0


def parse_cutoff(text: str | None) -> str | None:
    """Return --as-of as the manifest would give it."""
    if text is None:
        return None
    from envlock.model.manifest import Environment

    return Environment(python="3.11", as_of=text).cutoff
