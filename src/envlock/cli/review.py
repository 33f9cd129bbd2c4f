"""`envlock review`."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import click

from envlock.cli.console import style_of, width
from envlock.cli.output_files import parsed_output, write_output
from envlock.cli.trust import trust_of, trust_options
from envlock.cli.wiring import manifest_here

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

    files = [parsed_output(text, FORMS, "review") for text in outputs]
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
        write_output(path, _rendered(ctx, review, each, watched=False, everything=verbose))
    shown: Form = "json" if as_json else form
    if shown != "human" or review.exit_code or not ctx.obj["quiet"]:
        click.echo(_rendered(ctx, review, shown, watched=True, everything=verbose), nl=False)
    return review.exit_code


def _rendered(ctx: click.Context, review: Review, form: str, *, watched: bool, everything: bool) -> str:
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
        case _:
            style = style_of(ctx) if watched else plain
            text = review_text(review, style=style, width=width() if watched else 100, everything=everything)
    return text.encode("utf-8", "backslashreplace").decode()
