"""`envlock verify`."""

from __future__ import annotations

import datetime
import functools
import os
import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from envlock.cli.verdicts import FORMATS, Printer
from envlock.cli.wiring import edges_of, environments, hardware_classes, manifest_here, only, relative, whole
from envlock.errors import UsageError

if TYPE_CHECKING:
    from envlock.model.edges import ContainerEngine
    from envlock.model.finding import Verdict
    from envlock.model.lock import Lock, LockFile
    from envlock.model.manifest import Manifest
    from envlock.model.terms import Terms
    from envlock.operations.verify import Witnesses
    from envlock.operations.verify_image import Compilers
    from envlock.report.formats import Format


@click.command("verify")
@click.argument("env", required=False, shell_complete=environments)
@click.option("--python", "python", type=click.Path(path_type=Path), metavar="PATH", help="An interpreter, or a venv.")
@click.option(
    "--image",
    metavar="REF",
    help="Of a registry, never pulled: [HOST/]NAME[:TAG][@DIGEST] or :TAG; or oci:DIR[:TAG], docker-archive:FILE, "
    "engine:NAME or an image ID.",
)
@click.option("--container", metavar="ID", help="A container of the Engine here, running or not.")
@click.option(
    "--report", type=click.Path(path_type=Path), metavar="FILE", help="What `envlock report` wrote elsewhere."
)
@click.option("--full/--quick", default=False, help="Every byte of every file, or metadata and sizes (default).")
@click.option("--rehash", is_flag=True, help="Read files again that an earlier verification has hashed.")
@click.option("--recompile", is_flag=True, help="With --image and --full: compile every module again and compare.")
@click.option(
    "--on",
    "on",
    metavar="CLASS",
    default="",
    shell_complete=hardware_classes,
    help="The hardware class of the lock that this must be.",
)
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.option("--frozen", is_flag=True, help="Do not ask whether the lock still follows from the manifest's inputs.")
@click.option(
    "--fix", is_flag=True, help="Where it differs, do what `envlock sync` would do, after asking; look again."
)
@click.option("-y", "--yes", is_flag=True, help="With --fix: do not ask.")
@click.option("-v", "--verbose", is_flag=True, help="List every finding, those for information too.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="human", help="How stdout says it.")
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="The same as --format json.")
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="[FORMAT:]FILE",
    help="Write the verdict there too, in the form of its suffix (.json, .xml, .sarif, .md, .html, .txt); repeatable.",
)
@click.pass_context
def command(
    ctx: click.Context,
    env: str | None,
    *,
    python: Path | None,
    image: str | None,
    container: str | None,
    report: Path | None,
    full: bool,
    rehash: bool,
    recompile: bool,
    on: str,
    strict: bool,
    frozen: bool,
    fix: bool,
    yes: bool,
    verbose: bool,
    form: Format,
    as_json: bool,
    outputs: tuple[str, ...],
) -> int:
    """Prove that an environment is what the lock of ENV says: its packages, files, interpreter, hardware, settings.

    Without a target: the project's virtual environment, else the active one.

    Settings are judged where envlock or an image sets them, as in `envlock run ENV -- envlock verify`, and with --on;
    a plain shell's are told.

    Exit codes: 0 match, 1 drift or stale, 2 no verdict, 3 could not verify, 4 bytes contradict the lock.
    """
    from envlock.formats.pylock import read_lock
    from envlock.model.terms import Terms

    targets = {"--python": python, "--image": image, "--container": container, "--report": report}
    chosen = [name for name, given in targets.items() if given]
    if len(chosen) > 1:
        raise click.UsageError(f"{' and '.join(chosen)} exclude each other.")
    if recompile and not (image and full):
        raise click.UsageError("--recompile needs --image and --full.")
    if fix and (image or container or report):
        raise click.UsageError("--fix is for a virtual environment here; an image is built anew: envlock build.")
    manifest = manifest_here()
    name = only(manifest, env)
    lock_file = read_lock(manifest.lock_path(name))
    printer = Printer(ctx, "json" if as_json else form, outputs, everything=verbose, lock=manifest.lock_path(name))
    terms = Terms(
        full=full,
        strict=strict,
        on=on,
        today=datetime.datetime.now(datetime.UTC).date(),
        table=manifest.environment(name).verify,
    )

    def settled(terms: Terms) -> Terms:
        return _settled(terms, manifest, name, frozen=frozen)

    shown = False
    if image is not None:
        verdict = _of_image(ctx, manifest, lock_file, image, settled(terms), recompile=recompile)
    elif container is not None:
        verdict = _of_container(ctx, manifest, lock_file, container, settled(terms))
    elif report is not None:
        verdict = _of_report(ctx, manifest, lock_file, report, settled(terms))
    else:
        target = python or _default_target(manifest.venv_path(name))
        judge = _of_environment(ctx, manifest, lock_file, target, terms, settled, rehash=rehash)
        verdict = judge()
        if fix and verdict.exit_code:
            from envlock.cli.fix import mended

            printer.show(verdict, to_stderr=True)
            if mended(ctx, manifest, lock_file, target, verdict, yes=yes):
                verdict = judge()
            else:
                shown = True
    printer.tell(verdict, shown=shown)
    return verdict.exit_code


def _settled(terms: Terms, manifest: Manifest, env: str, *, frozen: bool) -> Terms:
    """Return the terms with what the manifest's inputs say of the lock, once its rules are known to exist."""
    from msgspec.structs import replace

    from envlock.operations.check import check_environment
    from envlock.verify.acceptance import check_table

    check_table(terms.table, f"{manifest.path.name}: env.{env}.verify")
    return terms if frozen else replace(terms, stale=tuple(check_environment(manifest, env)))


def _of_environment(
    ctx: click.Context,
    manifest: Manifest,
    lock_file: LockFile,
    target: Path,
    terms: Terms,
    settled: Callable[[Terms], Terms],
    *,
    rehash: bool,
) -> Callable[[], Verdict]:
    """Return what judges a venv or an interpreter, as often as it is asked."""
    from envlock.adapters.cache import Cache
    from envlock.adapters.interpreter import TargetPython
    from envlock.adapters.machine import observe_machine
    from envlock.adapters.memory import CacheMemory
    from envlock.model.factors import marker_of, variables_here
    from envlock.operations.verify import verify_environment

    env = lock_file.lock.env
    shown = relative(target.absolute())
    variables = variables_here(
        os.environ,
        folder=str(manifest.folder),
        locked=lock_file.lock.settings.variables,
        marker=marker_of(env, lock_file.digest),
    )
    witnesses = _witnesses(
        ctx,
        manifest,
        env,
        interpreter=TargetPython(),
        machine=observe_machine,
        variables=variables,
        memory=None if rehash else CacheMemory(Cache().root),
    )
    return lambda: verify_environment(
        lock_file,
        target,
        folder=manifest.lock_path(env).parent,
        witnesses=witnesses,
        terms=terms,
        meanwhile=settled,
        name=shown,
        subject=f"{env} --python {shlex.quote(shown)}",
        venv=_elsewhere(target, manifest.venv_path(env)),
    )


def _of_image(
    ctx: click.Context, manifest: Manifest, lock_file: LockFile, image: str, terms: Terms, *, recompile: bool
) -> Verdict:
    from envlock.adapters.cache import Cache
    from envlock.adapters.registry import OciRegistry
    from envlock.adapters.registry_session import Session
    from envlock.operations.expected_image import base_at_hand
    from envlock.operations.verify_image import verify_image

    return verify_image(
        lock_file,
        whole(image),
        sums=manifest.sums_path,
        witnesses=_witnesses(ctx, manifest, lock_file.lock.env),
        terms=terms,
        bases=lambda platform: base_at_hand(lock_file.lock, platform, Cache()),
        compilers=_compilers(ctx, manifest, lock_file.lock) if recompile else None,
        registry=functools.cache(lambda: OciRegistry(Session(offline=ctx.obj["offline"]))),
        engines=_engines,
    )


def _of_container(ctx: click.Context, manifest: Manifest, lock_file: LockFile, container: str, terms: Terms) -> Verdict:
    from envlock.adapters.cache import Cache
    from envlock.operations.expected_image import base_at_hand
    from envlock.operations.verify_container import verify_container

    return verify_container(
        lock_file,
        container,
        sums=manifest.sums_path,
        witnesses=_witnesses(ctx, manifest, lock_file.lock.env),
        terms=terms,
        bases=lambda platform: base_at_hand(lock_file.lock, platform, Cache()),
        engines=_engines,
    )


def _of_report(ctx: click.Context, manifest: Manifest, lock_file: LockFile, report: Path, terms: Terms) -> Verdict:
    from envlock.adapters.git_sources import checkout_of
    from envlock.operations.verify_report import verify_report

    return verify_report(
        lock_file,
        report,
        witnesses=_witnesses(ctx, manifest, lock_file.lock.env),
        terms=terms,
        checkout=checkout_of(manifest.folder),
    )


def _engines() -> AbstractContextManager[ContainerEngine]:
    from envlock.adapters.engine_targets import EngineTargets

    return EngineTargets()


def _witnesses(ctx: click.Context, manifest: Manifest, env: str, **more: object) -> Witnesses:
    from envlock.adapters.cache import Cache
    from envlock.cli.progress import progress_for
    from envlock.operations.records import records_at_hand
    from envlock.operations.verify import Witnesses

    records = records_at_hand(manifest.lock_path(env).parent, Cache())
    return Witnesses(records=records, progress=progress_for(quiet=ctx.obj["quiet"]), **more)  # type: ignore[arg-type]


def _compilers(ctx: click.Context, manifest: Manifest, lock: Lock) -> Compilers:
    """Return what opens the interpreters of the lock's image: the root that they run in is made where need be."""
    from envlock.operations.compilers import open_compiler

    edges = edges_of(ctx, manifest)
    return lambda platform: open_compiler(lock, platform, edges)


def _elsewhere(target: Path, venv: Path) -> str:
    """Return the virtual environment that a target is or is the python of, unless it is the environment's own one."""
    folder = target if target.is_dir() else target.absolute().parent.parent
    own = not (folder / "pyvenv.cfg").is_file() or (venv.exists() and folder.samefile(venv))
    return "" if own else relative(folder.absolute())


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
