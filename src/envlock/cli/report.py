"""`envlock report`."""

from __future__ import annotations

import datetime
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from envlock.cli.probing import here, patience_option
from envlock.cli.report_trial import locked_as, trial_of
from envlock.cli.wiring import active_environment, edges_of, environments, manifest_if_any, only, relative
from envlock.errors import UsageError

if TYPE_CHECKING:
    from envlock.cli.report_said import Pushed
    from envlock.model.manifest import Manifest
    from envlock.model.report import LockedAs

_LOCKS_IMAGE = ":"
"""Of --push without a reference: the image of the lock, in the manifest's repository."""


@click.command("report")
@click.argument("env", required=False, shell_complete=environments)
@click.option("--python", "python", type=click.Path(path_type=Path), metavar="PATH", help="An interpreter, or a venv.")
@click.option("--full/--quick", default=False, help="Hash every installed file, or name versions alone (default).")
@click.option("--numerics", is_flag=True, help="Run the probes of the lock and keep what they answer.")
@patience_option
@click.option("--input", "inputs", multiple=True, metavar="PATH", help="A data file or folder to hash; repeatable.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it there.")
@click.option("--as", "kept", metavar="NAME", help="Keep it in the project: lockfiles/reports/ENV/NAME.json, for git.")
@click.option("--sign", "key", envvar="ENVLOCK_SIGN_KEY", metavar="KEY", help="Sign it with this SSH key: FILE.sig.")
@click.option(
    "--push",
    "image",
    is_flag=False,
    flag_value=_LOCKS_IMAGE,
    metavar="[REF]",
    help="Attach it to the image of the lock in the manifest's repository, or to this one of the lock.",
)
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="With a file or --push: say so as JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    env: str | None,
    *,
    python: Path | None,
    full: bool,
    numerics: bool,
    patience: float,
    inputs: tuple[str, ...],
    output: Path | None,
    kept: str | None,
    key: str | None,
    image: str | None,
    as_json: bool,
) -> int:
    """Say what is installed here, on which machine, with which settings: a file to compare with somebody else's.

    It needs neither manifest nor lock, and holds no host or user name, path, address, serial number or token. Where
    there is a manifest, the hashes of the `inputs` of ENV are in it; where there is a lock, what `envlock verify` says.

    --numerics runs code of the environment; the answers are held against the fingerprint of this hardware, if any.

    Without --python: the active environment, else the project's, else the python on PATH. It goes to stdout, or to a
    file (-o, --as), or to a registry (--push); signed, to the latter two.

    Exit codes: 0 it is made, whatever it says, 2 usage or I/O.
    """
    from envlock.adapters.git_sources import checkout_of
    from envlock.adapters.identity import private_names, secret_values
    from envlock.adapters.interpreter import TargetPython
    from envlock.adapters.machine import observe_machine
    from envlock.cli.progress import progress_for
    from envlock.cli.report_said import Made, say
    from envlock.formats.report import report_bytes
    from envlock.model.factors import variables_here
    from envlock.operations.report import Scene, report_on
    from envlock.operations.report_inputs import input_names
    from envlock.operations.report_keeping import keep_bytes, kept_path, write_report

    if output is not None and kept is not None:
        raise click.UsageError("-o and --as each name a file: give one of them.")
    manifest = manifest_if_any(required=env is not None or kept is not None or numerics)
    if env is None and manifest is not None and image in manifest.environments:
        raise click.UsageError(f"--push took {image!r} for an image: put ENV before it.")
    name = _environment(manifest, env, required=kept is not None or numerics)
    folder = manifest.folder if manifest is not None else Path.cwd()
    path = kept_path(manifest, name, kept) if manifest is not None and name and kept is not None else output
    key = _usable(ctx, key, stays=path is None and image is None)
    lock = locked_as(manifest, name)
    beside = _Beside(ctx, manifest, lock, image) if image is not None else None
    target = python or _default_target(manifest, env, name)
    named = input_names(manifest.environment(name).inputs, folder) if manifest is not None and name else {}
    scene = Scene(
        now=datetime.datetime.now(datetime.UTC),
        machine=observe_machine,
        variables=variables_here(os.environ, folder=str(folder)),
        checkout=checkout_of(folder),
        inputs=named | _asked(inputs, folder),
        lock=lock,
        trial=trial_of(ctx, manifest, lock, here(target) if numerics else None, patience),
        names=(*secret_values(os.environ), *private_names()),
        progress=progress_for(quiet=ctx.obj["quiet"]),
    )
    if not ctx.obj["quiet"] and python is None:
        click.echo(f"reporting {relative(target.absolute())}", err=True)
    report = report_on(target, TargetPython(), scene, full=full)
    raw = report_bytes(report)
    armored = _signed(raw, key) if key is not None else None
    if path is not None:
        write_report(path, raw, armored)
    pushed = beside.attach(raw, armored, path.name if path is not None else "report.json") if beside else None
    if path is None and pushed is None:
        click.echo(raw, nl=False)
    else:
        attributes = keep_bytes(path.parent.parent) if path is not None and kept is not None else None
        made = Made(report=report, path=path, armored=armored, pushed=pushed, attributes=attributes, python=python)
        say(ctx, made, manifest, as_json=as_json)
    return 0


class _Beside:
    """The image that a report shall stand beside, which has to be there before anything takes minutes."""

    def __init__(self, ctx: click.Context, manifest: Manifest | None, lock: LockedAs | None, image: str) -> None:
        from envlock.operations.report_keeping import image_of, index_of_lock

        self.reference = image_of(manifest, lock, image.removeprefix(_LOCKS_IMAGE))
        self._registry = edges_of(ctx, manifest).registry()
        assert lock is not None
        self._subject = index_of_lock(self._registry, self.reference, lock)

    def attach(self, raw: bytes, armored: bytes | None, name: str) -> Pushed:
        """Attach a report, and its signature where there is one, under a file name."""
        from envlock.cli.report_said import Pushed
        from envlock.operations.report_keeping import attach_report

        attached = attach_report(self._registry, self.reference, self._subject, raw, armored, name)
        image = str(self.reference.at(self._subject.digest))
        return Pushed(image=image, digest=attached.digest, new=attached.new)


def _usable(ctx: click.Context, key: str | None, *, stays: bool) -> str | None:
    """Return the key to sign with; one of the environment alone is for what leaves this terminal."""
    if key is None:
        return None
    if stays:
        if ctx.get_parameter_source("key") is ParameterSource.ENVIRONMENT:
            return None
        raise click.UsageError("--sign writes a signature beside a file: give -o FILE, --as NAME or --push, too.")
    from envlock.adapters.ssh import SshKeygen

    SshKeygen().expect(key)  # before anything is observed
    return key


def _signed(raw: bytes, key: str) -> bytes:
    from envlock.adapters.ssh import SshKeygen
    from envlock.model.provenance import REPORT_NAMESPACE

    return SshKeygen().sign(raw, key, REPORT_NAMESPACE)


def _asked(inputs: tuple[str, ...], folder: Path) -> dict[str, Path]:
    """Return the data files of the command line, which are relative to where it runs and have to be there."""
    from envlock.operations.report_inputs import input_names

    found = input_names([str(Path(text).absolute()) for text in inputs], folder)
    for path in found.values():
        if not path.exists():
            raise UsageError(
                "no-input", "There is no such data file.", where=relative(path), hint="Name one that is there."
            )
    return found


def _environment(manifest: Manifest | None, env: str | None, *, required: bool) -> str | None:
    """Return the environment of the manifest that the report is about: the named, the only or the active one."""
    if manifest is None:
        return None
    if env is None and len(manifest.environments) > 1:
        active = active_environment()
        for name in sorted(manifest.environments):
            venv = manifest.venv_path(name)
            if active is not None and active.is_dir() and venv.is_dir() and venv.samefile(active):
                return name
        if not required:
            return None
    return only(manifest, env)


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
