"""`envlock verify --fix`: what sync would do is shown, asked for and done."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from envlock.cli.wiring import edges_of, relative, this_platform
from envlock.errors import UsageError, one_line
from envlock.model.finding import Verdict
from envlock.model.lock import LockFile
from envlock.model.manifest import Manifest
from envlock.report.style import count


def mended(
    ctx: click.Context, manifest: Manifest, lock_file: LockFile, target: Path, verdict: Verdict, *, yes: bool
) -> bool:
    """Return whether `sync` ran, after asking unless `yes`; False where nothing of it would help, or nobody agreed.

    `target` is a venv folder or its python. Raises UsageError (`cannot-ask`) where nobody is there to be asked.
    """
    from envlock.adapters.uv import Uv
    from envlock.operations.fix import remedy_of
    from envlock.operations.sync import sync_environment

    env = lock_file.lock.env
    remedy = remedy_of(verdict)
    for finding in remedy.stays:
        first = finding.fix.startswith("envlock verify")
        says = f"{finding.rule} is not clear yet" if first else f"sync does not mend {finding.rule}"
        mend = f": {finding.fix}{' --fix' if first else ''}" if finding.fix else ""
        click.echo(f"  {says} ({one_line(finding.subject)}){mend}", err=True)
    if not remedy.mends:
        return False
    venv = _venv_of(target)
    click.echo(f"`envlock sync {env}` would mend {count(len(remedy.mends), 'finding')} in {relative(venv)}:", err=True)
    _show_changes(ctx, manifest, lock_file, venv)
    if remedy.reinstall:
        click.echo("  and put every file of every package back (--reinstall)", err=True)
    if not yes and not sys.stdin.isatty():
        raise UsageError("cannot-ask", "--fix asks before it changes anything, and nobody is here.", hint="Add --yes.")
    if not yes and not click.confirm("Do it?", err=True):
        return False
    sync_environment(
        lock_file.lock,
        this_platform(),
        venv,
        folder=manifest.lock_path(env).parent,
        python=None,
        installer=Uv(offline=ctx.obj["offline"]),
        edges=edges_of(ctx, manifest),
        reinstall=remedy.reinstall,
    )
    return True


def _show_changes(ctx: click.Context, manifest: Manifest, lock_file: LockFile, venv: Path) -> None:
    from envlock.adapters.cache import Cache
    from envlock.adapters.interpreter import TargetPython
    from envlock.cli.progress import progress_for
    from envlock.cli.sync import SIGNS
    from envlock.operations.records import records_at_hand
    from envlock.operations.sync_check import pending_changes

    progress = progress_for(quiet=ctx.obj["quiet"])
    changes = pending_changes(
        lock_file,
        this_platform(),
        venv,
        interpreter=TargetPython(),
        records=records_at_hand(manifest.lock_path(lock_file.lock.env).parent, Cache()),
        progress=progress,
    )
    for change in changes:
        versions = dict.fromkeys(version for version in (change.before, change.after) if version)
        click.echo(f"  {SIGNS[change.action]} {change.name} {' → '.join(versions)}", err=True)


def _venv_of(target: Path) -> Path:
    """Return the folder of the virtual environment that a target is or is the python of."""
    folder = target if target.is_dir() else target.parent.parent
    if not (folder / "pyvenv.cfg").is_file():
        raise UsageError(
            "not-a-venv",
            "--fix changes virtual environments alone, and this is none.",
            where=relative(target),
            hint="Make one: envlock sync",
        )
    return folder
