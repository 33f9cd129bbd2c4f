"""`envlock verify`."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from envlock.cli.console import style_of, width
from envlock.cli.inputs import look_at_inputs
from envlock.cli.wiring import edges_of, environments, manifest_here, only, relative
from envlock.errors import UsageError

if TYPE_CHECKING:
    from envlock.model.lock import Lock
    from envlock.model.manifest import Manifest
    from envlock.operations.verify_image import Compilers


@click.command("verify")
@click.argument("env", required=False, shell_complete=environments)
@click.option("--python", "python", type=click.Path(path_type=Path), metavar="PATH", help="An interpreter, or a venv.")
@click.option("--image", metavar="REF", help="An image layout, oci:DIR or oci:DIR:TAG; it is neither run nor pulled.")
@click.option("--full/--quick", default=False, help="Every byte of every file, or metadata and sizes (default).")
@click.option("--recompile", is_flag=True, help="With --image and --full: compile every module again and compare.")
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.option("--locked", is_flag=True, help="Fail (1) where the lock no longer follows from its inputs.")
@click.option("--frozen", is_flag=True, help="Do not even look at the manifest's inputs.")
@click.option("-v", "--verbose", is_flag=True, help="List every finding, those for information too.")
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="Print the verdict as JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    env: str | None,
    *,
    python: Path | None,
    image: str | None,
    full: bool,
    recompile: bool,
    strict: bool,
    locked: bool,
    frozen: bool,
    verbose: bool,
    as_json: bool,
) -> int:
    """Prove that a virtual environment or an image is what the lock of ENV says.

    Without a target: the project's virtual environment, else the active one.

    Exit codes: 0 match, 1 drift, 2 no verdict, 3 could not verify, 4 bytes contradict the lock.
    """
    from envlock.adapters.cache import Cache
    from envlock.cli.progress import progress_for
    from envlock.formats.pylock import read_lock
    from envlock.model.terms import Terms
    from envlock.operations.expected_image import base_at_hand
    from envlock.operations.records import records_at_hand
    from envlock.operations.verify import Witnesses, verify_environment

    if python is not None and image is not None:
        raise click.UsageError("--python and --image exclude each other.")
    if recompile and not (image and full):
        raise click.UsageError("--recompile needs --image and --full.")
    manifest = manifest_here()
    name = only(manifest, env)
    path = manifest.lock_path(name)
    lock_file = read_lock(path)
    look_at_inputs(ctx, manifest, name, locked=locked, frozen=frozen, doing="verifying")
    records = records_at_hand(path.parent, Cache())
    progress = progress_for(quiet=ctx.obj["quiet"])
    terms = Terms(
        full=full,
        strict=strict,
        today=datetime.datetime.now(datetime.UTC).date(),
        table=manifest.environment(name).verify,
    )
    if image is not None:
        from envlock.operations.verify_image import verify_image

        verdict = verify_image(
            lock_file,
            image,
            sums=manifest.sums_path,
            witnesses=Witnesses(records=records, progress=progress),
            terms=terms,
            bases=lambda platform: base_at_hand(lock_file.lock, platform, Cache()),
            compilers=_compilers(ctx, manifest, lock_file.lock) if recompile else None,
        )
    else:
        from envlock.adapters.interpreter import TargetPython

        target = python or _default_target(manifest.venv_path(name))
        shown = relative(target.absolute())
        verdict = verify_environment(
            lock_file,
            target,
            folder=path.parent,
            witnesses=Witnesses(records=records, interpreter=TargetPython(), progress=progress),
            terms=terms,
            name=shown,
            subject=f"{name} --python {shown}",
        )
    from envlock.report.verdict import verdict_json, verdict_text

    if as_json:
        click.echo(verdict_json(verdict))
    elif verdict.exit_code or not ctx.obj["quiet"]:
        click.echo(verdict_text(verdict, style=style_of(ctx), width=width(), everything=verbose), nl=False)
    return verdict.exit_code


def _compilers(ctx: click.Context, manifest: Manifest, lock: Lock) -> Compilers:
    """Return what opens the interpreters of the lock's image: the root that they run in is made where need be."""
    from envlock.operations.compilers import open_compiler

    edges = edges_of(ctx, manifest)
    return lambda platform: open_compiler(lock, platform, edges)


def _default_target(venv: Path) -> Path:
    active = os.environ.get("VIRTUAL_ENV")
    for path in (venv, Path(active) if active else None):
        if path is not None and path.exists():
            return path
    raise UsageError(
        "no-target",
        "There is nothing to verify yet.",
        expected=f"a virtual environment {relative(venv)}, or an active one",
        hint="Make it with `envlock sync`, or name a target with --python or --image.",
    )
