"""`envlock run`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from envlock.cli.inputs import look_at_inputs
from envlock.cli.wiring import edges_of, environments, manifest_here, only, relative, this_platform
from envlock.errors import one_line

if TYPE_CHECKING:
    from envlock.model.container import Gpus
    from envlock.model.lock import LockFile
    from envlock.model.manifest import Manifest


class _BeforeCommand(click.Command):
    """Options and ENV stand before ``--``; what comes after it is the command, untouched."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own, argv = args, None
        if "--" in args:
            at = args.index("--")
            own, argv = args[:at], tuple(args[at + 1 :])
        rest = super().parse_args(ctx, own)
        if argv is None and not ctx.resilient_parsing:
            raise click.UsageError("Put -- before the command: envlock run [ENV] -- python train.py", ctx)
        ctx.meta[_ARGV] = argv
        return rest


_ARGV = "envlock.cli.run.argv"


@click.command("run", cls=_BeforeCommand, options_metavar="[OPTIONS]")
@click.argument("env", required=False, metavar="[ENV] -- CMD [ARG]...", shell_complete=environments)
@click.option("--image", is_flag=True, help="In a container of the locked image, by Docker or Podman.")
@click.option("-e", "--env", "variables", multiple=True, metavar="NAME[=VALUE]", help="Set a variable, or pass it on.")
@click.option(
    "-v",
    "--volume",
    "volumes",
    multiple=True,
    envvar="ENVLOCK_RUN_VOLUME",
    metavar="SRC:DST[:ro]",
    help="Image: mount this folder or file too.",
)
@click.option("--user", metavar="UID[:GID]", help="Image: who the command is; you, so that files are yours.")
@click.option("--gpus/--no-gpus", default=None, help="Image: hand NVIDIA GPUs on; as the lock wants them.")
@click.option("--network", metavar="NAME", help="Image: as with docker: none, host, ...")
@click.option("--platform", metavar="OS/ARCH", help="Image: another platform of the lock, emulated.")
@click.option(
    "--venv",
    type=click.Path(path_type=Path),
    help="Without --image: where the venv is; .venv, or .venv-ENV where there are several.",
)
@click.option("--at", "at", metavar="REV", help="With the lock as a commit, branch or tag has it; today's files.")
@click.option("--locked", is_flag=True, help="Fail (1) where the lock is stale, or the venv is not what is locked.")
@click.option("--frozen", is_flag=True, help="Look neither at the manifest's inputs nor at what is installed.")
@click.pass_context
def command(
    ctx: click.Context,
    env: str | None,
    *,
    venv: Path | None,
    at: str | None,
    locked: bool,
    frozen: bool,
    variables: tuple[str, ...],
    image: bool,
    volumes: tuple[str, ...],
    user: str | None,
    gpus: bool | None,
    network: str | None,
    platform: str | None,
) -> int:
    """Run a command in the locked environment; its exit status is this command's.

    The environment is the project's venv, as sync made it: its programs come first on PATH, the settings that are
    locked are set, and PYTHONPATH and its like are not passed on, nor variables that change numbers and that the lock
    does not set. -e goes before all of these. `envlock run ENV -- envlock verify` judges the settings too.

    With --image it is a container of the locked image. Unlike `docker run` it starts exactly the image that the
    lock determines, by its ID and never by a tag, building and loading it where the Engine does not have it; mounts the
    project, writable, and works in the folder that you are in; runs as you; asks for GPUs where the lock wants them;
    ignores the image's entrypoint; takes the terminal if there is one, else stdin; and removes the container. Its
    variables are the image's and -e: nothing else of yours.

    With --at it is the lock as a commit has it, in an environment of its own below .envlock/at, made where it is not
    there yet: what you have installed and locked today stays as it is.
    """
    from envlock.formats.pylock import read_lock
    from envlock.operations.run import chosen_variables

    argv: tuple[str, ...] = ctx.meta[_ARGV]
    if not argv:
        raise click.UsageError("There is no command after --.", ctx)
    alone = {"--volume": volumes, "--user": user, "--gpus": gpus is not None, "--network": network}
    wrong = [name for name, given in (alone | {"--platform": platform}).items() if given and not image]
    if wrong or (image and venv):
        raise click.UsageError(f"{wrong[0]} is for --image." if wrong else "--venv and --image exclude each other.")
    if at is not None and (venv or locked or frozen):
        raise click.UsageError("--at has an environment of its own: --venv, --locked and --frozen are not for it.")
    manifest = manifest_here()
    if at is not None:
        return _earlier(ctx, manifest, env or only(manifest, None), at, argv, chosen_variables(variables, os.environ))
    name = only(manifest, env)
    lock_file = read_lock(manifest.lock_path(name))
    look_at_inputs(ctx, manifest, name, locked=locked, frozen=frozen, doing="running")
    extra = chosen_variables(variables, os.environ)
    if image:
        lockfiles = manifest.lock_path(name).parent
        return _in_container(ctx, manifest, lock_file, argv, extra, folder=lockfiles, sums=manifest.sums_path)
    target = (venv or manifest.venv_path(name)).absolute()
    return _in_venv(ctx, lock_file, target, argv, extra)


def _in_venv(ctx: click.Context, lock_file: LockFile, venv: Path, argv: Sequence[str], extra: dict[str, str]) -> int:
    from envlock.adapters.foreground import become
    from envlock.operations.run import (
        local_command,
        out_of_step,
        refuse_out_of_step,
        said_dropped,
        said_out_of_step,
    )

    ready = local_command(lock_file, venv, argv, environment=os.environ, extra=extra)
    if not ctx.params["frozen"]:
        differences = out_of_step(lock_file.lock, this_platform(), venv)
        if ctx.params["locked"]:
            refuse_out_of_step(differences, lock_file.lock.env)
        if differences:
            _warn(ctx, said_out_of_step(differences, lock_file.lock.env))
    for name in ready.dropped:
        _warn(ctx, said_dropped(name))
    return become(ready.program, ready.argv, ready.environment)


def _earlier(
    ctx: click.Context, manifest: Manifest, env: str, revision: str, argv: Sequence[str], extra: dict[str, str]
) -> int:
    from envlock.adapters.git_history import GitRevisions
    from envlock.adapters.uv import Uv
    from envlock.operations.run_at import bring, install, lock_at

    revisions = GitRevisions(manifest.folder)
    earlier = lock_at(manifest, env, revisions, revision)
    image = ctx.params["image"]
    bring(earlier, manifest, revisions, sums=image)
    if not ctx.obj["quiet"]:
        found = earlier.revision
        where = "its image" if image else relative(earlier.venv)
        said = f"{env} as {found.commit[:10]} of {found.when[:10]} has it ({found.subject}), in {where}"
        click.echo(one_line(f"{said}; the files are today's"), err=True)
    if image:
        return _in_container(ctx, manifest, earlier.lock_file, argv, extra, folder=earlier.folder, sums=earlier.sums)
    install(
        earlier,
        this_platform(),
        installer=Uv(offline=ctx.obj["offline"]),
        edges=lambda: edges_of(ctx, manifest),
    )
    return _in_venv(ctx, earlier.lock_file, earlier.venv, argv, extra)


def _in_container(
    ctx: click.Context,
    manifest: Manifest,
    lock_file: LockFile,
    argv: Sequence[str],
    extra: dict[str, str],
    *,
    folder: Path,
    sums: Path,
) -> int:
    from envlock.adapters.containers import run_container
    from envlock.adapters.engine import Engine
    from envlock.adapters.engine_store import EngineStore
    from envlock.model.container import parse_mount
    from envlock.model.platform import Platform
    from envlock.operations.references import neighbours
    from envlock.operations.run_image import container_for, engine_image

    options, env = ctx.params, lock_file.lock.env
    asked: Gpus | None = None if options["gpus"] is None else "required" if options["gpus"] else "none"
    mounts = [parse_mount(text, str(Path.cwd())) for text in options["volumes"]]
    with Engine() as engine:
        identity = engine_image(
            lock_file,
            folder=folder,
            sums=sums,
            edges=edges_of(ctx, manifest),
            store=EngineStore(engine),
            warn=lambda text: _warn(ctx, text),
            repositories=neighbours(manifest, env, lock_file.lock) if env in manifest.environments else (),
            platform=None if options["platform"] is None else Platform.parse(options["platform"]),
        )
        container = container_for(
            lock_file,
            identity,
            argv,
            project=manifest.folder,
            cwd=Path.cwd(),
            user=options["user"] or engine.caller,
            gpus=asked,
            extra=extra,
            mounts=mounts,
            network=options["network"],
        )
        return run_container(engine, container)


def _warn(ctx: click.Context, text: str) -> None:
    if not ctx.obj["quiet"]:
        click.secho(f"warning: {one_line(text)}", fg="yellow", err=True)
