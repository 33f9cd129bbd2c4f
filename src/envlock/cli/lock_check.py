"""`envlock lock --check`: is the lock fresh, and with --strict, could it be made again and can all of it be had."""

from __future__ import annotations

import json

import click

from envlock.cli.wiring import chosen, edges_of
from envlock.model.manifest import Manifest


def check_locks(ctx: click.Context, manifest: Manifest, envs: tuple[str, ...], *, strict: bool, as_json: bool) -> int:
    """Say of each lock what is stale; return 0, or 1 where anything is."""
    from envlock.operations.check import check_environment

    rows = []
    for name in chosen(manifest, envs):
        changed = check_environment(manifest, name)
        moved, gone = _strictly(ctx, manifest, name) if strict and not changed else ([], [])
        rows.append({"env": name, "fresh": not (changed or moved or gone), "changed": changed})
        if strict:
            rows[-1] |= {"moved": moved, "unavailable": gone}
        if not as_json:
            _say(name, changed, moved, gone)
    if as_json:
        click.echo(json.dumps({"schema": 1, "locks": rows}, indent=2))
    return int(not all(row["fresh"] for row in rows))


def _strictly(ctx: click.Context, manifest: Manifest, name: str) -> tuple[list[str], list[str]]:
    """Return what another resolution moves, and what no index or archive has any more."""
    from envlock.formats.pylock import parse_lock, read_lock, write_lock
    from envlock.locking.dependencies import told_as_before
    from envlock.operations.available import unavailable
    from envlock.operations.diff import diff_locks
    from envlock.operations.lock import lock_environment
    from envlock.operations.upgrade import Upgrade

    edges = edges_of(ctx, manifest)
    path = manifest.lock_path(name)
    before = read_lock(path)
    gone = unavailable(before.lock, edges)
    again = lock_environment(manifest, name, previous=before.lock, upgrade=Upgrade(), edges=edges, dry_run=True).lock
    now = parse_lock(write_lock(told_as_before(again, before.lock)), str(path))
    if now.raw == before.raw:
        return [], gone
    changes = diff_locks(before, now).changes
    return [f"{c.subject}: {c.before or 'nothing'} → {c.after or 'nothing'}" for c in changes] or ["its bytes"], gone


def _say(name: str, changed: list[str], moved: list[str], gone: list[str]) -> None:
    stale = bool(changed or moved)
    click.echo(f"{name}: " + ("stale" if stale else "not all of it can be had" if gone else "the lock is fresh"))
    for line in changed:
        click.echo(f"  {line}")
    for line in moved:
        click.echo(f"  resolved again: {line}")
    for line in gone:
        click.echo(f"  gone: {line}")
    if gone:
        click.echo(f"  next: envlock lock {name} -U, or name an index that has them; envlock fetch keeps a copy")
    elif stale:
        click.echo(f"  next: envlock lock {name}")
