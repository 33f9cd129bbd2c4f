"""`envlock diff`."""

from __future__ import annotations

import datetime
import functools
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import click

from envlock.cli.console import style_of, width
from envlock.cli.trust import trust_of, trust_options
from envlock.cli.wiring import environments, manifest_if_any
from envlock.errors import UsageError

if TYPE_CHECKING:
    from envlock.model.edges import ContainerEngine, Registry, Revisions
    from envlock.model.manifest import Manifest
    from envlock.model.platform import Platform
    from envlock.model.report import Report
    from envlock.operations.reports import Trust
    from envlock.operations.sides import Sources

Form = Literal["human", "json", "markdown"]
FORMS: tuple[Form, ...] = get_args(Form)


@click.command("diff")
@click.argument("before", shell_complete=environments)
@click.argument("after", shell_complete=environments)
@click.option("--full/--quick", default=False, help="Hash every file of a live environment, or name versions alone.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 where they differ, 3 where something could not be seen.")
@click.option("-v", "--verbose", is_flag=True, help="List every change, cosmetic ones too.")
@click.option("--format", "form", type=click.Choice(FORMS), default="human", help="How stdout says it.")
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="The same as --format json.")
@trust_options
@click.pass_context
def command(
    ctx: click.Context,
    before: str,
    after: str,
    *,
    full: bool,
    exit_code: bool,
    verbose: bool,
    form: Form,
    as_json: bool,
    allowed_signers: Path | None,
    allow_unsigned: bool,
) -> int:
    """Say what differs between two of anything, what changes results first, and what brought it in.

    BEFORE and AFTER are each an environment of the manifest, a lock, REV:ENV or REV:FILE (a commit, branch or tag of
    git), an image (HOST/NAME:TAG, :TAG of the manifest's repository, oci:DIR[:TAG], engine:NAME, docker-archive:FILE),
    a report, a virtual environment or an interpreter.

    What one side does not say is told as not compared: a lock names no machine, a report no packages of the system.

    Exit codes: 0, 2 bad input, 3 an image's lock cannot be read, 4 a report's signature or an image is wrong. With
    --exit-code also 1 they differ, 3 something could not be seen.
    """
    from envlock.operations.diff import diff_sides, exit_code_of
    from envlock.operations.sides import open_sides
    from envlock.report.difference import difference_json, difference_text
    from envlock.report.difference_markdown import difference_markdown

    def trust(manifest: Manifest | None) -> Trust:
        return trust_of(manifest, allowed_signers, allow_unsigned=allow_unsigned)

    difference = diff_sides(*open_sides(before, after, _sources(ctx, trust, full=full)))
    if as_json or form == "json":
        click.echo(difference_json(difference))
    elif form == "markdown":
        click.echo(difference_markdown(difference), nl=False)
    else:
        text = difference_text(difference, style=style_of(ctx), width=width(), everything=verbose)
        click.echo(text, nl=False)
    return exit_code_of(difference, exit_code=exit_code)


def _sources(ctx: click.Context, trust: Callable[[Manifest | None], Trust], *, full: bool) -> Sources:
    """Return where sides come from here; nothing is opened before somebody asks for it."""
    from envlock.cli.progress import progress_for
    from envlock.operations.sides import Sources

    manifest = manifest_if_any()
    folder = manifest.folder if manifest is not None else Path.cwd()

    @functools.cache
    def revisions() -> Revisions:
        from envlock.adapters.git_history import GitRevisions

        return GitRevisions(folder)

    @functools.cache
    def registry() -> Registry:
        from envlock.adapters.registry import OciRegistry
        from envlock.adapters.registry_session import Session

        return OciRegistry(Session(offline=ctx.obj["offline"]))

    return Sources(
        manifest=manifest,
        folder=folder,
        revisions=revisions,
        registry=registry,
        engines=_engine,
        environment=_reporter(ctx, folder, full=full),
        trust=functools.partial(trust, manifest),
        platforms=_platforms(),
        now=datetime.datetime.now(datetime.UTC),
        progress=progress_for(quiet=ctx.obj["quiet"]),
    )


def _engine() -> AbstractContextManager[ContainerEngine]:
    from envlock.adapters.engine_targets import EngineTargets

    return EngineTargets()


def _reporter(ctx: click.Context, folder: Path, *, full: bool) -> Callable[[Path], Report]:
    """Return what reports on an environment of this machine, as `envlock report` does."""

    def report(target: Path) -> Report:
        from envlock.adapters.git_sources import checkout_of
        from envlock.adapters.identity import private_names, secret_values
        from envlock.adapters.interpreter import TargetPython
        from envlock.adapters.machine import observe_machine
        from envlock.cli.progress import progress_for
        from envlock.model.factors import variables_here
        from envlock.operations.report import Scene, report_on

        scene = Scene(
            now=datetime.datetime.now(datetime.UTC),
            machine=observe_machine,
            variables=variables_here(os.environ, folder=str(folder)),
            checkout=checkout_of(folder),
            names=(*secret_values(os.environ), *private_names()),
            progress=progress_for(quiet=ctx.obj["quiet"]),
        )
        return report_on(target, TargetPython(), scene, full=full)

    return report


def _platforms() -> tuple[Platform, ...]:
    """Return the Linux of this machine's architecture, which images are asked for."""
    import platform

    from envlock.model.platform import Platform

    try:
        return (Platform.of_machine(platform.machine()),)
    except UsageError:
        return ()
