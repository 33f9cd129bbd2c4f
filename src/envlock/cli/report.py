"""`envlock report`."""

from __future__ import annotations

import datetime
import hashlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from envlock.cli.wiring import active_environment, environments, manifest_here, relative
from envlock.errors import UsageError

if TYPE_CHECKING:
    from envlock.model.manifest import Manifest
    from envlock.model.report import LockedAs, Report


@click.command("report")
@click.argument("env", required=False, shell_complete=environments)
@click.option("--python", "python", type=click.Path(path_type=Path), metavar="PATH", help="An interpreter, or a venv.")
@click.option("--full/--quick", default=False, help="Hash every installed file, or name versions alone (default).")
@click.option("--input", "inputs", multiple=True, metavar="PATH", help="A data file or folder to hash; repeatable.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it there.")
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="Print JSON, which reports always are.")
@click.pass_context
def command(
    ctx: click.Context,
    env: str | None,
    *,
    python: Path | None,
    full: bool,
    inputs: tuple[str, ...],
    output: Path | None,
    as_json: bool,  # noqa: ARG001
) -> int:
    """Say what is installed here, on which machine, with which settings: a file to compare with somebody else's.

    It needs neither manifest nor lock, and holds no host or user name, path, address, serial number or token. Where
    there is a manifest, the hashes of the `inputs` of ENV and the digest of its lock are in it.

    Without --python: the active environment, else the project's, else the python on PATH.
    """
    from envlock.adapters.git_sources import checkout_of
    from envlock.adapters.identity import private_names
    from envlock.adapters.interpreter import TargetPython
    from envlock.adapters.machine import observe_machine
    from envlock.cli.progress import progress_for
    from envlock.formats.report import report_bytes
    from envlock.model.factors import variables_here
    from envlock.operations.report import Scene, input_names, report_on

    manifest = _manifest(required=env is not None)
    name = _environment(manifest, env)
    folder = manifest.folder if manifest is not None else Path.cwd()
    target = python or _default_target(manifest, env, name)
    named = input_names(manifest.environment(name).inputs, folder) if manifest is not None and name else {}
    scene = Scene(
        now=datetime.datetime.now(datetime.UTC),
        machine=observe_machine,
        variables=variables_here(os.environ, folder=str(folder)),
        checkout=checkout_of(folder),
        inputs=named | _asked(inputs, folder),
        lock=_locked_as(manifest, name),
        names=private_names(),
        progress=progress_for(quiet=ctx.obj["quiet"]),
    )
    if not ctx.obj["quiet"] and python is None:
        click.echo(f"reporting {relative(target.absolute())}", err=True)
    report = report_on(target, TargetPython(), scene, full=full)
    raw = report_bytes(report)
    if output is None:
        click.echo(raw, nl=False)
        return 0
    _write(output, raw)
    if not ctx.obj["quiet"]:
        click.echo(f"{output}: {_told(report)}", err=True)
    return 0


def _asked(inputs: tuple[str, ...], folder: Path) -> dict[str, Path]:
    """Return the data files of the command line, which are relative to where it runs and have to be there."""
    from envlock.operations.report import input_names

    found = input_names([str(Path(text).absolute()) for text in inputs], folder)
    for path in found.values():
        if not path.exists():
            raise UsageError(
                "no-input", "There is no such data file.", where=relative(path), hint="Name one that is there."
            )
    return found


def _manifest(*, required: bool) -> Manifest | None:
    try:
        return manifest_here()
    except UsageError as error:
        if required or error.reference != "no-manifest":
            raise
        return None


def _environment(manifest: Manifest | None, env: str | None) -> str | None:
    """Return the environment of the manifest that the report is about: the named one, or the only one."""
    if manifest is None:
        return None
    if env is not None:
        manifest.environment(env)
        return env
    return next(iter(manifest.environments)) if len(manifest.environments) == 1 else None


def _locked_as(manifest: Manifest | None, name: str | None) -> LockedAs | None:
    from envlock.model.report import LockedAs

    if manifest is None or name is None or not manifest.lock_path(name).is_file():
        return None
    return LockedAs(env=name, digest=hashlib.sha256(manifest.lock_path(name).read_bytes()).hexdigest())


def _default_target(manifest: Manifest | None, env: str | None, name: str | None) -> Path:
    """Return what to look at where nobody said. envlock's own interpreter is nobody's environment."""
    venvs = [manifest.venv_path(name)] if manifest is not None and name else []
    active = [path for path in (active_environment(),) if path is not None]
    order = [*venvs, *active] if env is not None else [*active, *venvs]
    for path in (*order, Path(".venv")):
        if path.is_dir():
            return path
    found = shutil.which("python3") or shutil.which("python")
    if found is not None:
        return Path(found)
    raise UsageError(
        "no-target",
        "There is no environment to report on.",
        expected="an active environment, .venv here, or a python on PATH",
        hint="Name one: envlock report --python PATH",
    )


def _write(output: Path, raw: bytes) -> None:
    from envlock.formats.beside import write_named

    try:
        write_named(output, raw)
    except OSError as error:
        raise UsageError(
            "write-failed", f"The report cannot be written: {error.strerror}.", where=str(output)
        ) from None


def _told(report: Report) -> str:
    """Return in one line what a report holds."""
    from envlock.model.unknown import Unknown
    from envlock.report.style import count

    parts = []
    for unknown in (report.interpreter, report.distributions):
        if isinstance(unknown, Unknown):
            return f"the environment could not be seen: {unknown.reason}"
    if not isinstance(report.interpreter, Unknown) and not isinstance(report.distributions, Unknown):
        parts = [f"Python {report.interpreter.version}", count(len(report.distributions), "package")]
    if report.full:
        parts.append("every file hashed")
    if report.inputs:
        parts.append(count(len(report.inputs), "data file"))
    return ", ".join(parts)
