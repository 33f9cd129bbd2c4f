"""`envlock lock`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from envlock.cli.console import style_of, width
from envlock.cli.wiring import chosen, edges_of, environments, manifest_here, relative
from envlock.errors import one_line, printable

if TYPE_CHECKING:
    from envlock.model.change import Change
    from envlock.model.lock import Lock, LockFile
    from envlock.model.manifest import Manifest
    from envlock.operations.edges import Edges
    from envlock.operations.lock import Locked
    from envlock.operations.upgrade import Upgrade


@click.command("lock")
@click.argument("envs", nargs=-1, metavar="[ENV]...", shell_complete=environments)
@click.option(
    "--check", is_flag=True, help="Only ask, offline, whether the lock still follows from its inputs (1 if not)."
)
@click.option(
    "--strict",
    is_flag=True,
    help="With --check: resolve again too, and ask whether every locked file can still be had.",
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
@click.option("--os", "renew_os", is_flag=True, help="Take the base's Debian packages as the archive has them now.")
@click.option("--base", "renew_base", is_flag=True, help="Look the base up again: its tag may have moved.")
@click.option(
    "--from-venv",
    "venv",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Lock exactly what is installed in this environment.",
)
@click.option("--no-build", is_flag=True, help="Refuse packages that have no wheel.")
@click.option("--rebuild", is_flag=True, help="Build wheels from source again and compare them with the locked ones.")
@click.option("--dry-run", is_flag=True, help="Say what would change and write nothing.")
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="Print the result as JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    envs: tuple[str, ...],
    *,
    check: bool = False,
    strict: bool = False,
    upgrade: bool = False,
    packages: tuple[str, ...] = (),
    as_of: str | None = None,
    renew_os: bool = False,
    renew_base: bool = False,
    venv: Path | None = None,
    no_build: bool = False,
    rebuild: bool = False,
    dry_run: bool = False,
    as_json: bool = False,
) -> int:
    """Resolve environments with uv and write lockfiles/pylock.ENV.toml.

    Pins stay where they are unless -U or -P lets them move. Without ENV, every environment of the manifest.
    """
    if strict and not check:
        raise click.UsageError("--strict goes with --check.")
    if check:
        from envlock.cli.lock_check import check_locks

        return check_locks(ctx, manifest_here(), envs, strict=strict, as_json=as_json)

    from envlock.model.manifest import cutoff_of
    from envlock.operations.upgrade import Upgrade

    wanted = Upgrade(
        everything=upgrade,
        packages=packages,
        cutoff=None if as_of is None else cutoff_of(as_of),
        os=renew_os,
        base=renew_base,
        rebuild=rebuild,
        no_build=no_build,
    )
    if venv is not None:
        from envlock.cli.from_venv import lock_from_venv

        return lock_from_venv(ctx, venv, envs, wanted, dry_run=dry_run, as_json=as_json)
    manifest = manifest_here()
    edges = edges_of(ctx, manifest)
    rows = [
        lock_one(ctx, manifest, name, wanted, edges, dry_run=dry_run, as_json=as_json)
        for name in chosen(manifest, envs)
    ]
    if as_json:
        say_json(rows)
    return 0


def lock_one(
    ctx: click.Context,
    manifest: Manifest,
    name: str,
    wanted: Upgrade,
    edges: Edges,
    *,
    dry_run: bool,
    as_json: bool,
    pins: Lock | None = None,
) -> dict[str, Any]:
    """Lock one environment, write it, say what became of it, and return that as a row of `--json`.

    `pins` stand in for the lock that is there where the versions to keep come from elsewhere.
    """
    from envlock.formats.beside import write_beside
    from envlock.formats.pylock import parse_lock, write_lock
    from envlock.operations.diff import diff_locks
    from envlock.operations.lock import lock_environment, warnings_of
    from envlock.operations.previous import comparable, previous_lock
    from envlock.operations.upgrade import refuse_lost_pins

    path = manifest.lock_path(name)
    previous = previous_lock(path)
    kept = pins or (previous.lock if previous else None)
    locked = lock_environment(manifest, name, previous=kept, upgrade=wanted, edges=edges, dry_run=dry_run)
    for note in locked.notes:
        click.echo(f"note: {printable(note)}", err=True)
    for warning in warnings_of(manifest, name, edges.now):
        click.secho(f"warning: {one_line(warning)}", fg="yellow", err=True)
    if previous is not None and pins is None:
        refuse_lost_pins(wanted, previous.lock, locked.lock)
    written = parse_lock(write_lock(locked.lock), str(path))
    same = previous is not None and previous.raw == written.raw
    if not same and not dry_run:
        write_beside(path, written.raw)
    if written.lock.base is not None and written.lock.base.run_layers and not dry_run:
        from envlock.operations.steps import keep_beside

        keep_beside(written.lock, path.parent, edges.artifacts)
    before = comparable(previous, locked.lock) if previous else None
    difference = diff_locks(before, written, before_name="before", after_name="now") if before else None
    if not as_json:
        _say(ctx, name, locked, "unchanged" if same else "would change" if dry_run else "locked")
        if difference is not None and not same:
            from envlock.report.difference import difference_text

            click.echo(difference_text(difference, style=style_of(ctx), width=width()), nl=False)
        click.echo(f"  {relative(path)}  sha256:{written.digest}")
    stand_ins = _stand_ins(ctx, manifest, locked.lock, edges, told=not (same or as_json))
    row = _row(name, path, written, locked, same=same, changes=difference.changes if difference else ())
    return row | ({"stand_ins": stand_ins} if stand_ins else {})


def _stand_ins(
    ctx: click.Context, manifest: Manifest, lock: Lock, edges: Edges, *, told: bool
) -> dict[str, tuple[str, ...]]:
    """Return what stands in for which package's maintainer scripts above a base from a registry, and say it."""
    if lock.base is None or lock.base.image is None or not lock.base.packages:
        return {}
    from envlock.operations.stand_ins import stand_ins

    found = dict(stand_ins(lock, manifest, edges))
    if found and told and not ctx.obj["quiet"]:
        click.echo("note: no maintainer script is executed; in their place:", err=True)
        for package, effects in found.items():
            click.echo(f"  {package}: {', '.join(effects) or 'nothing, they have nothing to do in an image'}", err=True)
    return found


def _say(ctx: click.Context, name: str, locked: Locked, state: str) -> None:
    from envlock.report.newer import newer_text, undated_text
    from envlock.report.style import count

    lock = locked.lock
    built = sum(package.build is not None for package in lock.packages)
    parts = [
        count(len(lock.packages), "package"),
        f"{built} built from source" if built else "",
        count(len(lock.base.packages), "Debian package") if lock.base and lock.base.packages else "",
        f"CUDA {lock.facts.cuda}" if lock.facts.cuda else "",
        f"as of {lock.as_of}" if lock.as_of else "",
    ]
    click.echo(f"{name}: {state}: " + ", ".join(part for part in parts if part))
    if not ctx.obj["quiet"]:
        newer = newer_text(locked.newer, env=name, own=lock.as_of_packages, style=style_of(ctx), width=width())
        click.echo(newer, nl=False, err=True)
        if lock.as_of is not None:
            click.echo(undated_text(locked.undated), nl=False, err=True)


def _row(
    name: str, path: Path, written: LockFile, locked: Locked, *, same: bool, changes: Sequence[Change]
) -> dict[str, Any]:
    import msgspec

    return {
        "env": name,
        "path": relative(path),
        "digest": f"sha256:{written.digest}",
        "packages": len(locked.lock.packages),
        "unchanged": same,
        "changes": [msgspec.to_builtins(change) for change in changes],
        "newer": [f"{row.package} {row.version}" for row in locked.newer],
        "notes": list(locked.notes),
    }


def say_json(rows: list[dict[str, Any]], **more: Mapping[str, Any] | list[dict[str, Any]]) -> None:
    """Print what was locked."""
    import json

    click.echo(json.dumps({"schema": 1, "locks": rows, **more}, indent=2))
