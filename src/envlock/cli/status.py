"""`envlock status`."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from envlock.cli.console import style_of
from envlock.cli.trust import trust_of, trust_options
from envlock.cli.wiring import edges_of, manifest_if_any, this_platform
from envlock.errors import UsageError


@click.command("status")
@trust_options
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="Print the answer as JSON.")
@click.pass_context
def command(ctx: click.Context, *, allowed_signers: Path | None, allow_unsigned: bool, as_json: bool) -> int:
    """Say what this machine is able to do, and how the environments stand.

    Looks for an Engine, the registries and the index that the manifest means, GPUs, room on the disk and the kernel's
    namespaces; then says of each environment whether its lock is fresh, its venv in step, its image built and pushed
    and under which tags, when it was last verified here, what the newest kept reports of teammates say, and which
    command to run next. Changes nothing; --offline asks nobody outside this machine. Works without a manifest.

    Exit codes: 0, 2 bad input, 4 a kept report is not what was signed, or not signed by whom it has to be.
    """
    from envlock.adapters.cache import Cache
    from envlock.adapters.engine import Engine
    from envlock.adapters.machine import observe_machine
    from envlock.operations.abilities import Questions
    from envlock.operations.status import status_of
    from envlock.report.status import status_json, status_text

    def engine() -> str:
        with Engine() as found:
            name = "Podman" if found.is_podman else "Docker Engine"
            return f"{name} {found.version}, {found.platform}"

    def room() -> int:
        return shutil.disk_usage(_existing(Cache().root)).free

    manifest = manifest_if_any()
    try:
        platform = this_platform()
    except UsageError:
        platform = None
    questions = Questions(
        engine=engine,
        machine=observe_machine,
        room=room,
        platform=platform,
        offline=ctx.obj["offline"],
        trust=lambda known: trust_of(known, allowed_signers, allow_unsigned=allow_unsigned),
    )
    status = status_of(manifest, edges_of(ctx, manifest), questions)
    click.echo(status_json(status) if as_json else status_text(status, style=style_of(ctx)), nl=as_json)
    return status.exit_code


def _existing(path: Path) -> Path:
    """Return the nearest folder above a path that is there: a cache may not have been made yet."""
    return next(folder for folder in (path, *path.absolute().parents) if folder.exists())
