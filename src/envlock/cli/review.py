"""`envlock review`."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import click

from envlock.cli.console import style_of, width
from envlock.cli.trust import trust_of, trust_options
from envlock.cli.wiring import manifest_here
from envlock.errors import UsageError

if TYPE_CHECKING:
    from envlock.model.review import Review

Form = Literal["human", "json", "markdown", "github"]
FORMS: tuple[Form, ...] = get_args(Form)


@click.command("review")
@click.argument("base")
@click.argument("head", required=False)
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="NAME",
    help="A label that the pull request has; repeatable. [review] of the manifest says which ones it needs.",
)
@click.option("-v", "--verbose", is_flag=True, help="List every change and report, harmless ones too.")
@click.option("--format", "form", type=click.Choice(FORMS), default="human", help="How stdout says it.")
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="The same as --format json.")
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="[FORMAT:]FILE",
    help="Write the review there too, in the form of its suffix (.json, .md, .txt); repeatable.",
)
@trust_options
@click.pass_context
def command(
    ctx: click.Context,
    base: str,
    head: str | None,
    *,
    labels: tuple[str, ...],
    verbose: bool,
    form: Form,
    as_json: bool,
    outputs: tuple[str, ...],
    allowed_signers: Path | None,
    allow_unsigned: bool,
) -> int:
    """Say what a change of the locks means, for the pull request that makes it: from BASE to HEAD, or the work tree.

    For each environment: what changes results first, whether the lock follows from its inputs, and which of the
    reports kept in lockfiles/reports matched and would no longer. [review] of BASE's manifest says which changes need
    a label.

    BASE is a commit, a branch or a tag. Where the branch has moved on: envlock review "$(git merge-base main HEAD)".

    Exit codes: 0 nothing is missing, 1 a label is missing or a lock is stale, 2 no answer, 3 a signature
    could not be checked, 4 reports are refused.
    """
    from envlock.adapters.git_history import GitRevisions
    from envlock.adapters.git_sources import checkout_of
    from envlock.cli.targets import witnesses_of
    from envlock.operations.review import Reviewer, review_changes

    files = [_parsed(text) for text in outputs]
    manifest = manifest_here()
    reviewer = Reviewer(
        trust=lambda later: trust_of(later, allowed_signers, allow_unsigned=allow_unsigned),
        witnesses=witnesses_of(ctx, manifest, min(manifest.environments)),
        labels=labels,
        today=datetime.datetime.now(datetime.UTC).date(),
        checkout=checkout_of(manifest.folder),
    )
    review = review_changes(manifest, GitRevisions(manifest.folder), base, head, reviewer)
    for each, path in files:
        _write(path, _rendered(ctx, review, each, watched=False, everything=verbose))
    shown: Form = "json" if as_json else form
    if shown != "human" or review.exit_code or not ctx.obj["quiet"]:
        click.echo(_rendered(ctx, review, shown, watched=True, everything=verbose), nl=False)
    return review.exit_code


def _rendered(ctx: click.Context, review: Review, form: Form, *, watched: bool, everything: bool) -> str:
    from envlock.report.review import review_github, review_json, review_text
    from envlock.report.review_markdown import review_markdown
    from envlock.report.style import plain

    match form:
        case "json":
            text = review_json(review) + "\n"
        case "markdown":
            text = review_markdown(review)
        case "github":
            text = review_github(review)
        case "human":
            style = style_of(ctx) if watched else plain
            text = review_text(review, style=style, width=width() if watched else 100, everything=everything)
    return text.encode("utf-8", "backslashreplace").decode()


def _parsed(text: str) -> tuple[Form, Path]:
    """Return (form, path) of an `--output`; UsageError (`unknown-format`, `no-output`)."""
    from envlock.report.formats import parse_output

    form, name = parse_output(text)
    if name == "-":
        raise UsageError("no-output", "--output is for files.", found=text, hint="On stdout it is --format FORMAT.")
    if form not in FORMS:
        raise UsageError(
            "unknown-format",
            "A review has no such form.",
            where=f"--output {text}",
            expected="one of: " + ", ".join(FORMS),
            found=form,
        )
    path = Path(name)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(
            "no-output",
            "The review cannot be written there.",
            where=f"--output {text}",
            expected="a file in a folder that exists",
            hint="Make the folder first.",
        )
    return form, path


def _write(path: Path, text: str) -> None:
    from envlock.formats.beside import write_named

    write_named(path, text.encode("utf-8"))
