"""`envlock lock --from-venv`: what is installed becomes a manifest and its lock, both or neither."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from envlock.cli.lock import lock_one, say_json
from envlock.cli.wiring import edges_of, relative
from envlock.errors import UsageError
from envlock.operations.upgrade import Upgrade

if TYPE_CHECKING:
    from envlock.locking.installed import Installed
    from envlock.model.lock import Lock
    from envlock.model.manifest import Manifest

_FIRST = "main"
"""The environment's name where nobody gave one."""


def lock_from_venv(
    ctx: click.Context, venv: Path, envs: tuple[str, ...], wanted: Upgrade, *, dry_run: bool, as_json: bool
) -> int:
    """Lock what an environment holds. An environment that the manifest has keeps its requirements: pins come from here.

    Otherwise it is added to the manifest, which is made where there is none.
    """
    from envlock.adapters.interpreter import TargetPython
    from envlock.operations.from_venv import installed_pins
    from envlock.operations.settle import settled

    if len(envs) > 1:
        raise click.UsageError("--from-venv locks one environment: name one, or none.")
    name = envs[0] if envs else _FIRST
    manifest = _manifest()
    edges = edges_of(ctx, manifest)
    installed = installed_pins(venv, TargetPython(), progress=edges.progress)
    before = manifest.path.read_bytes() if manifest else None
    if manifest is not None and name in manifest.environments:
        if not as_json:
            _say_left_out(installed, venv)
        pins = _as_lock(installed, manifest, name)
        row = lock_one(ctx, manifest, name, wanted, edges, dry_run=dry_run, as_json=as_json, pins=pins)
    else:
        installed = settled(installed, edges.resolver, progress=edges.progress)
        if not as_json:
            _say_left_out(installed, venv)
            _say_contradictions(installed, venv)
        manifest, text = _extended(manifest, installed, name)
        if dry_run and not as_json:
            click.echo(text, nl=False)
        row = _lock_new(ctx, manifest, text.encode(), before, name, wanted, dry_run=dry_run, as_json=as_json)
    different = [] if dry_run else _different(manifest, name, venv, installed)
    if as_json:
        left_out = [{"name": each.name, "version": each.version, "why": each.why} for each in installed.left_out]
        say_json([row], left_out=left_out, different=[{"package": package} for package in different])
        return 0
    if different:
        click.secho(f"warning: other builds than the index has: {', '.join(different)}", fg="yellow", err=True)
        click.echo(f"  next: envlock verify {name} --python {relative(venv)} --full says which files")
    if not dry_run:
        click.echo(f"  next: git add {relative(manifest.path)} lockfiles; then anywhere: envlock sync {name}")
    return 0


def _manifest() -> Manifest | None:
    from envlock.model.manifest_parser import find_manifest

    try:
        return find_manifest(Path.cwd())
    except UsageError as error:
        if error.reference != "no-manifest":
            raise
        return None


def _extended(manifest: Manifest | None, installed: Installed, name: str) -> tuple[Manifest, str]:
    """Return the manifest with another environment, and its text; nothing is written."""
    import tomllib

    from envlock.locking.exact_manifest import added_to, manifest_from
    from envlock.model.manifest_parser import parse_manifest

    path = manifest.path if manifest else Path.cwd() / "envlock.toml"
    text = added_to(path.read_text("utf-8"), installed, name) if manifest else manifest_from(installed, name)
    document = tomllib.loads(text)
    table = document["tool"]["envlock"] if path.name == "pyproject.toml" else document
    return parse_manifest(path, table), text


def _lock_new(
    ctx: click.Context,
    manifest: Manifest,
    text: bytes,
    before: bytes | None,
    name: str,
    wanted: Upgrade,
    *,
    dry_run: bool,
    as_json: bool,
) -> dict[str, object]:
    """Lock a new environment and write its manifest; whatever ends the lock early leaves the manifest as it was."""
    from envlock.formats.beside import write_beside

    if not dry_run:
        write_beside(manifest.path, text)
        if not as_json:
            click.echo(f"{relative(manifest.path)}: " + ("written" if before is None else f"[env.{name}] added"))
    try:
        return lock_one(ctx, manifest, name, wanted, edges_of(ctx, manifest), dry_run=dry_run, as_json=as_json)
    except BaseException:
        if not dry_run and before is None:
            manifest.path.unlink(missing_ok=True)
        elif not dry_run and before is not None:
            write_beside(manifest.path, before)
        raise


def _as_lock(installed: Installed, manifest: Manifest, name: str) -> Lock:
    """Return a lock that holds nothing but what is installed: where a resolution starts from."""
    from envlock.model.lock import Lock, Package

    return Lock(
        env=name,
        python=installed.feature,
        platforms=manifest.environment(name).targets,
        packages=tuple(Package(name=p.name, version=p.version, wheels=()) for p in installed.packages),
        frameworks=(),
        as_of=None,
    )


def _say_left_out(installed: Installed, venv: Path) -> None:
    from envlock.locking.installed import HINTS

    rows = [row for row in installed.left_out if row.reason != "tool"]
    if rows:
        click.secho(f"{relative(venv)} holds what cannot be locked:", fg="yellow", err=True)
    for row in rows:
        click.echo(f"  {row.name} {row.version} {row.why}", err=True)
    for hint in sorted({HINTS[row.reason] for row in rows if HINTS[row.reason]}):
        click.echo(f"  next: {hint}", err=True)


def _say_contradictions(installed: Installed, venv: Path) -> None:
    if installed.problems:
        click.secho(f"{relative(venv)} contradicts itself, and is locked as it is:", fg="yellow", err=True)
    for text in installed.problems:
        click.echo(f"  {text}", err=True)


def _different(manifest: Manifest, name: str, venv: Path, installed: Installed) -> list[str]:
    """Return the packages whose installed files are not those of the locked wheels."""
    from envlock.adapters.cache import Cache
    from envlock.adapters.interpreter import TargetPython
    from envlock.formats.pylock import read_lock
    from envlock.model.edges import NoProgress
    from envlock.operations.from_venv import differences
    from envlock.operations.records import records_at_hand

    path = manifest.lock_path(name)
    found = differences(
        read_lock(path),
        venv,
        left_out=installed.left_out,
        folder=path.parent,
        interpreter=TargetPython(),
        records=records_at_hand(path.parent, Cache()),
        progress=NoProgress(),
    )
    return sorted({finding.package for finding in found if finding.severity == "error"})
