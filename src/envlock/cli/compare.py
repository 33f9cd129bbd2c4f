"""`envlock compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from envlock.cli.console import style_of, width
from envlock.cli.output_files import parsed_output, write_output
from envlock.cli.trust import trust_of, trust_options
from envlock.cli.wiring import edges_of, manifest_if_any, relative, whole
from envlock.errors import UsageError

if TYPE_CHECKING:
    from envlock.model.comparison import Comparison
    from envlock.model.manifest import Manifest

FORMS = ("human", "json", "markdown", "html")


@click.command("compare")
@click.argument("places", nargs=-1, metavar="[FILE|FOLDER|ENV|REF]…")
@click.option("-v", "--verbose", is_flag=True, help="List every difference, cosmetic ones too.")
@click.option("--format", "form", type=click.Choice(FORMS), default="human", help="How stdout says it.")
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="The same as --format json.")
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="[FORMAT:]FILE",
    help="Write the comparison there too, in the form of its suffix (.json, .md, .html, .txt); repeatable.",
)
@trust_options
@click.pass_context
def command(
    ctx: click.Context,
    places: tuple[str, ...],
    *,
    verbose: bool,
    form: str,
    as_json: bool,
    outputs: tuple[str, ...],
    allowed_signers: Path | None,
    allow_unsigned: bool,
) -> int:
    """Say what reports of two machines or more disagree in, what changes results first, and who is the odd one out.

    A FILE is what `envlock report -o FILE` wrote, a FOLDER holds several, the project keeps those of an ENV, and to a
    REF of a registry (or :TAG of the manifest's repository) some are attached. Neither manifest nor lock is needed for
    files and folders. Without any: the reports that the project keeps, lockfiles/reports/ENV.

    Exit codes: 0 they agree, 1 they disagree, 2 bad input, 3 something could not be seen, 4 reports are refused for
    their signatures. Cosmetic differences alone are no disagreement.
    """
    from envlock.operations.compare import compare_opened, kept_folder
    from envlock.operations.reports import open_reports

    files = [parsed_output(text, FORMS, "comparison") for text in outputs]
    manifest = manifest_if_any(required=not places)
    asked = [_kept(place, manifest) or whole(place) for place in places]
    if manifest is not None and not asked:
        asked = [relative(kept_folder(manifest))]
    trust = trust_of(manifest, allowed_signers, allow_unsigned=allow_unsigned)
    comparison = compare_opened(open_reports(asked, trust, registry=edges_of(ctx, manifest).registry))
    for each, path in files:
        write_output(path, _rendered(ctx, comparison, each, watched=False, everything=True))
    shown = "json" if as_json else form
    if shown != "human" or comparison.exit_code or not ctx.obj["quiet"]:
        click.echo(_rendered(ctx, comparison, shown, watched=True, everything=verbose), nl=False)
    return comparison.exit_code


def _rendered(ctx: click.Context, comparison: Comparison, form: str, *, watched: bool, everything: bool) -> str:
    from envlock.report.style import plain

    match form:
        case "json":
            from envlock.report.comparison import comparison_json

            text = comparison_json(comparison) + "\n"
        case "markdown":
            from envlock.report.comparison_markdown import comparison_markdown

            text = comparison_markdown(comparison)
        case "html":
            from envlock.report.matrix import comparison_html

            text = comparison_html(comparison)
        case _:
            from envlock.report.comparison import comparison_text

            style = style_of(ctx) if watched else plain
            columns = width() if watched else 100
            text = comparison_text(comparison, style=style, width=columns, everything=everything)
    # What is left undecoded of a name becomes its escape, which JSON too reads as such.
    return text.encode("utf-8", "backslashreplace").decode()


def _kept(place: str, manifest: Manifest | None) -> str:
    """Return the folder of an environment's kept reports where it is named and no file is called so; else empty."""
    if manifest is None or place not in manifest.environments or Path(place).exists():
        return ""
    folder = manifest.reports_path(place)
    if not folder.is_dir():
        raise UsageError(
            "no-report",
            "The project keeps no reports of this environment.",
            where=relative(folder),
            found=place,
            hint=f"Keep one: envlock report {place} --as NAME",
        )
    return relative(folder)
