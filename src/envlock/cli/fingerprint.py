"""`envlock fingerprint`."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from envlock.cli.inputs import look_at_inputs
from envlock.cli.probing import here, patience_option, questions_of, staged
from envlock.cli.targets import default_target, witnesses_of
from envlock.cli.wiring import edges_of, environments, hardware_classes, manifest_here, only, relative
from envlock.errors import UnverifiableError, UsageError, one_line

if TYPE_CHECKING:
    from envlock.model.lock import LockFile
    from envlock.model.manifest import Manifest
    from envlock.model.numerics import Fingerprint
    from envlock.model.unknown import Unknown
    from envlock.operations.fingerprint import Failure
    from envlock.operations.numerics import Stage

    Opened = contextlib.AbstractContextManager[Stage | Unknown]

_SHOWN = 12
"""Failures that are listed for people; --json has all."""


@click.command("fingerprint")
@click.argument("env", required=False, shell_complete=environments)
@click.option("--python", "python", type=click.Path(path_type=Path), metavar="PATH", help="An interpreter, or a venv.")
@click.option("--in-image", is_flag=True, help="In containers of the locked image, without network.")
@click.option(
    "--as",
    "hardware",
    metavar="CLASS",
    default="",
    shell_complete=hardware_classes,
    help="The hardware class of the lock to keep it for; else the first that this machine is of, or its CPU's level.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write it there; without, lockfiles/fingerprints/ENV/CLASS.json.",
)
@patience_option
@click.option(
    "--list", "is_list", is_flag=True, help="List the built-in probes and what they are sensitive to; run none."
)
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="Print the result as JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    env: str | None,
    *,
    python: Path | None,
    in_image: bool,
    hardware: str,
    output: Path | None,
    patience: float,
    is_list: bool,
    as_json: bool,
) -> int:
    """Run probes in the locked environment ENV and keep their numbers, for `envlock verify --numerics` elsewhere.

    Probes are small computations of the locked frameworks, and the project's own: functions that return numbers, named
    in [env.ENV.probes]. Each runs on one thread and as configured. The file is for git: it is tied to the lock, has one
    name for each class of hardware, and says nothing of whose machine it was.

    It runs code of the environment, and refuses one that is not what the lock says.

    Exit codes: 0 every probe gave a result, 1 the environment is not the locked one, 2 usage or I/O, 3 some probe gave
    none (the others are kept) or nothing could be run.
    """
    from envlock.formats.pylock import read_lock
    from envlock.model.unknown import Unknown
    from envlock.operations.expected_numbers import SUFFIX, class_for
    from envlock.operations.fingerprint import failures, fingerprint_of, keep_fingerprint

    if is_list:
        _list(env, as_json=as_json)
        return 0
    if python is not None and in_image:
        raise click.UsageError("--python and --in-image exclude each other.")
    manifest = manifest_here()
    name = only(manifest, env)
    lock_file = read_lock(manifest.lock_path(name))
    look_at_inputs(ctx, manifest, name, locked=False, frozen=False, doing="keeping the numbers of")
    _check_output(output)
    opened = _in_image(ctx, manifest, lock_file) if in_image else _here(ctx, manifest, lock_file, python)
    with opened as stage:
        if isinstance(stage, Unknown):
            raise UnverifiableError("interpreter-failed", f"No probe was run: {stage.reason}.", hint=stage.hint)
        class_for(lock_file.lock, stage.seen, hardware)  # before anything runs for minutes
        if not in_image:
            _warn_of_settings(ctx, lock_file)
        questions = questions_of(ctx, manifest, name, patience)
        fingerprint = fingerprint_of(lock_file, stage, questions, hardware=hardware)
    path = output or manifest.fingerprints_path(name) / f"{fingerprint.hardware}{SUFFIX}"
    became = keep_fingerprint(fingerprint, path)
    failed = failures(fingerprint.numerics)
    if as_json:
        _print_json(fingerprint, path, became, failed)
    else:
        _tell(ctx, fingerprint, path, became, failed, kept=output is None)
    return 3 if failed else 0


def _here(ctx: click.Context, manifest: Manifest, lock_file: LockFile, python: Path | None) -> Opened:
    """Open an environment of this machine, which has to be the locked one."""
    from envlock.adapters.interpreter import TargetPython
    from envlock.model.terms import Terms
    from envlock.operations.fingerprint import refuse_other, without_allowances
    from envlock.operations.verify import environment_case
    from envlock.verify.judgement import verdict_of

    env = lock_file.lock.env
    target = python or default_target(manifest.venv_path(env), "run probes in", "--in-image")
    shown = relative(target.absolute())
    case = environment_case(
        lock_file,
        target,
        folder=manifest.lock_path(env).parent,
        witnesses=witnesses_of(ctx, manifest, env, interpreter=TargetPython()),  # hardware and settings may be any
        terms=Terms(table=manifest.environment(env).verify),
        name=shown,
        venv="" if python is None else shown,
    )
    verdict = verdict_of(case)
    for judged in (verdict, without_allowances(verdict, case)):
        refuse_other(judged, case.sync)
    return here(target)(case.observation)


@contextlib.contextmanager
def _in_image(ctx: click.Context, manifest: Manifest, lock_file: LockFile) -> Iterator[Stage | Unknown]:
    """Open the locked image, built and loaded where the Engine does not have it; envlock.sum says which it is."""
    from envlock.adapters.engine import Engine
    from envlock.adapters.engine_store import EngineStore
    from envlock.adapters.engine_targets import EngineTargets
    from envlock.operations.references import neighbours
    from envlock.operations.run_image import engine_image

    lock = lock_file.lock
    with Engine() as engine:
        identity = engine_image(
            lock_file,
            folder=manifest.lock_path(lock.env).parent,
            sums=manifest.sums_path,
            edges=edges_of(ctx, manifest),
            store=EngineStore(engine),
            warn=lambda text: _warn(ctx, text),
            repositories=neighbours(manifest, lock.env, lock),
        )
        with EngineTargets() as targets:
            image = targets.image(identity)
        yield staged(engine, manifest, lock, image.image_id, image.variables, image.workdir)


def _check_output(output: Path | None) -> None:
    if output is not None and not output.absolute().parent.is_dir():
        raise UsageError(
            "no-output",
            "The fingerprint cannot be written there.",
            where=f"--output {output}",
            expected="a file in a folder that exists",
            found=f"no folder {relative(output.absolute().parent)}",
            hint="Make the folder first.",
        )


def _warn_of_settings(ctx: click.Context, lock_file: LockFile) -> None:
    """Tell of variables that change numbers and that the lock does not set: the configured pass has them."""
    from envlock.operations.run import other_numbers

    for name in other_numbers(lock_file.lock, os.environ, threads=True):
        _warn(ctx, f"{name} is set here and not by the lock; the numbers as configured have it.")


def _warn(ctx: click.Context, text: str) -> None:
    if not ctx.obj["quiet"]:
        click.secho(f"warning: {one_line(text)}", fg="yellow", err=True)


def _tell(
    ctx: click.Context,
    fingerprint: Fingerprint,
    path: Path,
    became: str,
    failed: tuple[Failure, ...],
    *,
    kept: bool,
) -> None:
    from envlock.cli.console import style_of
    from envlock.model.number_words import suite_name
    from envlock.model.numerics import PROJECT
    from envlock.report.style import count

    style = style_of(ctx)
    suites = fingerprint.numerics.suites
    if ctx.obj["quiet"] and not failed:
        return
    probes = count(sum(len(suite.probes) for suite in suites), "probe")
    how = "" if became == "new" else f" ({became})"
    click.echo(f"{style(fingerprint.env, 'strong')}: {probes} on {fingerprint.hardware} → {relative(path)}{how}")
    for suite in suites:
        name = f"{suite_name(suite.framework, suite.device)} {suite.version}".rstrip()
        click.echo(f"  {name}: {count(len(suite.probes), 'probe') if suite.loaded == 'ok' else suite.loaded}")
    for failure in failed[:_SHOWN]:
        click.echo(f"  {style('no result', 'bad')}  {one_line(failure.said)}")
    if len(failed) > _SHOWN:
        click.echo(f"  and {len(failed) - _SHOWN} more; --json lists them")
    if failed and all(failure.suite == PROJECT for failure in failed):
        click.echo(f"  next: mend these probes; then again: envlock fingerprint {fingerprint.env}")
    elif kept:
        click.echo(f"  next: git add {relative(path)}; elsewhere: envlock verify {fingerprint.env} --numerics")
    else:
        click.echo(f"  next, elsewhere: envlock verify {fingerprint.env} --against {shlex.quote(relative(path))}")


def _print_json(fingerprint: Fingerprint, path: Path, became: str, failed: tuple[Failure, ...]) -> None:
    import json

    document = {
        "schema": 1,
        "env": fingerprint.env,
        "lock": fingerprint.lock,
        "hardware": fingerprint.hardware,
        "file": relative(path),
        "became": became,
        "suites": [
            {
                "framework": suite.framework,
                "device": suite.device,
                "version": suite.version,
                "loaded": suite.loaded,
                "probes": len(suite.probes),
            }
            for suite in fingerprint.numerics.suites
        ],
        "failures": [
            {
                "suite": failure.suite,
                "probe": failure.probe,
                "pass": failure.which,
                "status": failure.status,
                "reason": failure.reason,
            }
            for failure in failed
        ],
    }
    click.echo(json.dumps(document, indent=2))


def _list(env: str | None, *, as_json: bool) -> None:
    """Print the built-in probes; those of an environment's frameworks and the project's own where one is named."""
    import json

    import msgspec

    from envlock.model.numerics import PROJECT
    from envlock.observe.probe_list import Listed, listed_probes
    from envlock.report.style import count

    probes = list(listed_probes())
    if env is not None:
        from envlock.formats.pylock import read_lock
        from envlock.observe.numerics import sources_for

        manifest = manifest_here()
        lock = read_lock(manifest.lock_path(only(manifest, env))).lock
        own = {source.framework for source in sources_for([each.name for each in lock.packages], ["cpu"])}
        probes = [probe for probe in probes if probe.framework in own]
        probes += [
            Listed(framework=PROJECT, device="cpu", name=name, sensitive=target)
            for name, target in sorted(manifest.environment(env).probes.items())
        ]
    if as_json:
        click.echo(json.dumps({"schema": 1, "probes": [msgspec.to_builtins(probe) for probe in probes]}, indent=2))
        return
    column = max((len(probe.name) for probe in probes), default=0)
    for framework in dict.fromkeys(probe.framework for probe in probes):
        mine = [probe for probe in probes if probe.framework == framework]
        click.echo(f"{framework}: {count(len(mine), 'probe')}")
        for probe in mine:
            click.echo(f"  {probe.name.ljust(column)}  {probe.sensitive}")
