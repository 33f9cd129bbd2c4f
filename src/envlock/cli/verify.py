"""`envlock verify`."""

from __future__ import annotations

import datetime
import functools
from pathlib import Path
from typing import TYPE_CHECKING

import click

from envlock.cli.probing import here, in_image, like_container, numbers_of, patience_option
from envlock.cli.targets import default_target, of_container, of_environment, of_image, of_report
from envlock.cli.trust import trust_of, trust_options
from envlock.cli.verdicts import FORMATS, Printer
from envlock.cli.wiring import environments, fingerprint_classes, hardware_classes, manifest_here, only
from envlock.errors import UsageError

if TYPE_CHECKING:
    from envlock.model.manifest import Manifest
    from envlock.model.terms import Terms
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
@click.option(
    "--numerics", is_flag=True, help="Run probes and compare their numbers with the fingerprint of this hardware."
)
@click.option("--explain", is_flag=True, help="Find out which factor makes numbers differ; implies --numerics.")
@click.option(
    "--against",
    metavar="FILE|CLASS",
    default="",
    shell_complete=fingerprint_classes,
    help="The fingerprint to compare with; implies --numerics.",
)
@patience_option
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
@trust_options
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
    numerics: bool,
    explain: bool,
    against: str,
    patience: float,
    rehash: bool,
    recompile: bool,
    on: str,
    strict: bool,
    frozen: bool,
    fix: bool,
    yes: bool,
    allowed_signers: Path | None,
    allow_unsigned: bool,
    verbose: bool,
    form: Format,
    as_json: bool,
    outputs: tuple[str, ...],
) -> int:
    """Prove that an environment is what the lock of ENV says: its packages, files, interpreter, hardware, settings.

    Without a target: the project's virtual environment, else the active one.

    Settings are judged where envlock or an image sets them, as in `envlock run ENV -- envlock verify`, and with --on;
    a plain shell's are told.

    --numerics runs code of the environment, in a process a framework, and compares what it computes with what
    `envlock fingerprint` kept in lockfiles/fingerprints; of an image of an Engine, in a container without network.

    Exit codes: 0 match, 1 drift or stale, 2 no verdict, 3 could not verify, 4 bytes contradict the lock.
    """
    from envlock.formats.pylock import read_lock
    from envlock.model.terms import Terms
    from envlock.operations.verified import remember

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
    wanted = numerics or explain or bool(against)
    if wanted:
        _refuse_without_python(image, report, name)
    probing = functools.partial(numbers_of, ctx, manifest, name, explain=explain, patience=patience)
    printer = Printer(ctx, "json" if as_json else form, outputs, everything=verbose, lock=manifest.lock_path(name))
    terms = Terms(
        full=full,
        strict=strict,
        on=on,
        against=against,
        today=datetime.datetime.now(datetime.UTC).date(),
        table=manifest.environment(name).verify,
    )

    def settled(terms: Terms) -> Terms:
        return _settled(terms, manifest, name, frozen=frozen)

    shown = False
    if image is not None:
        numbers = probing(in_image(manifest, lock_file.lock, image.removeprefix("engine:"))) if wanted else None
        verdict = of_image(ctx, manifest, lock_file, image, settled(terms), recompile=recompile, numbers=numbers)
    elif container is not None:
        numbers = probing(like_container(manifest, lock_file.lock, container)) if wanted else None
        verdict = of_container(ctx, manifest, lock_file, container, settled(terms), numbers=numbers)
    elif report is not None:
        trust = trust_of(manifest, allowed_signers, allow_unsigned=allow_unsigned)
        verdict = of_report(ctx, manifest, lock_file, report, settled(terms), trust)
    else:
        target = python or default_target(manifest.venv_path(name))
        numbers = probing(here(target)) if wanted else None
        judge = of_environment(ctx, manifest, lock_file, target, terms, settled, rehash=rehash, numbers=numbers)
        verdict = judge()
        if fix and verdict.exit_code:
            from envlock.cli.fix import mended

            printer.show(verdict, to_stderr=True)
            if mended(ctx, manifest, lock_file, target, verdict, yes=yes):
                verdict = judge()
            else:
                shown = True
        if python is None:
            remember(manifest, name, verdict, datetime.datetime.now(datetime.UTC))
    printer.tell(verdict, shown=shown)
    return verdict.exit_code


def _refuse_without_python(image: str | None, report: Path | None, env: str) -> None:
    """Raise UsageError (`nothing-to-run`) for a target that runs nowhere: its numbers cannot be had from here."""
    from envlock.operations.verify_image import is_image_id

    if report is not None:
        raise UsageError(
            "nothing-to-run",
            "A report has no numbers, and probes cannot be run where it was made.",
            where=f"--report {report}",
            hint=f"Run it there: envlock verify {env} --numerics",
        )
    if image is None or image.startswith("engine:") or is_image_id(image):
        return
    load = {
        "oci": f"build it into the Engine (envlock build {env} -o engine)",
        "docker-archive": f"load it (docker load -i {image.partition(':')[2]})",
    }.get(image.partition(":")[0], f"pull it (envlock pull {env} -o engine, or docker pull)")
    raise UsageError(
        "nothing-to-run",
        "Probes run in containers, and this image is not in an Engine.",
        where=f"--image {image}",
        expected="engine:NAME, or an image ID",
        hint=f"First {load}, then: envlock verify {env} --numerics --image engine:NAME. "
        f"The locked image's numbers are made by: envlock fingerprint {env} --in-image",
    )


def _settled(terms: Terms, manifest: Manifest, env: str, *, frozen: bool) -> Terms:
    """Return the terms with what the manifest's inputs say of the lock, once its rules are known to exist."""
    from msgspec.structs import replace

    from envlock.operations.check import check_environment
    from envlock.verify.acceptance import check_table

    check_table(terms.table, f"{manifest.path.name}: env.{env}.verify")
    return terms if frozen else replace(terms, stale=tuple(check_environment(manifest, env)))
