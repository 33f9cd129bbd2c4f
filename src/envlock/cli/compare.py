"""`envlock compare`."""

from __future__ import annotations

from pathlib import Path

import click

from envlock.cli.console import style_of, width


@click.command("compare")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
@click.option("-v", "--verbose", is_flag=True, help="List every difference, cosmetic ones too.")
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="Print the comparison as JSON.")
@click.pass_context
def command(ctx: click.Context, files: tuple[Path, ...], *, verbose: bool, as_json: bool) -> int:
    """Say what reports of two machines or more disagree in, what changes results first.

    FILEs are what `envlock report -o FILE` wrote. Neither manifest nor lock is needed.

    Exit codes: 0 they agree, 1 they disagree, 2 bad input, 3 something could not be seen. Cosmetic differences alone
    are no disagreement.
    """
    from envlock.operations.compare import compare_files
    from envlock.report.comparison import comparison_json, comparison_text

    comparison = compare_files(files)
    if as_json:
        click.echo(comparison_json(comparison))
    elif comparison.exit_code or not ctx.obj["quiet"]:
        text = comparison_text(comparison, style=style_of(ctx), width=width(), everything=verbose)
        click.echo(text, nl=False)
    return comparison.exit_code
