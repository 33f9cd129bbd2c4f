"""`envlock log`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from envlock.cli.console import style_of, width
from envlock.cli.wiring import environments, manifest_here, only
from envlock.errors import UsageError

if TYPE_CHECKING:
    from envlock.adapters.git_history import GitRevisions
    from envlock.model.manifest import Manifest

Form = Literal["human", "json", "markdown"]


@click.command("log")
@click.argument("env", required=False, shell_complete=environments)
@click.argument("revision", required=False, metavar="[REV]")
@click.option("-n", "--number", type=click.IntRange(1), metavar="N", help="The newest N changes alone.")
@click.option("-v", "--verbose", is_flag=True, help="List every change of each commit, and all that is known of it.")
@click.option(
    "--format", "form", type=click.Choice(["human", "json", "markdown"]), default="human", help="How to say it."
)
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="The same as --format json.")
@click.pass_context
def command(
    ctx: click.Context,
    env: str | None,
    revision: str | None,
    *,
    number: int | None,
    verbose: bool,
    form: Form,
    as_json: bool,
) -> None:
    """Tell the history of a lock, newest first: who changed what that matters, when, and which image it stands for.

    REV is where to begin, or a range: a commit, branch or tag, v1..HEAD. Without it the history up to now is told.
    What changes results comes first; a merge that takes one side as it is leaves it to that side's commits.
    """
    from envlock.adapters.git_history import GitRevisions
    from envlock.operations.log import story_of
    from envlock.report.story import story_json, story_markdown, story_text

    manifest = manifest_here()
    history = GitRevisions(manifest.folder)
    if env is not None and revision is None and _is_revision(env, manifest, history):
        env, revision = None, env
    # An environment that the manifest no longer has keeps its history, so that its name is not asked for here.
    name = env if env is not None else only(manifest, None)
    story = story_of(manifest, name, history, start=revision or "HEAD", most=number)
    if as_json or form == "json":
        click.echo(story_json(story))
    elif form == "markdown":
        click.echo(story_markdown(story, everything=verbose), nl=False)
    else:
        click.echo(story_text(story, style=style_of(ctx), width=width(), everything=verbose), nl=False)


def _is_revision(text: str, manifest: Manifest, history: GitRevisions) -> bool:
    """Tell whether the one word after `log` is no environment but where to begin, in a project that has only one."""
    if text in manifest.environments or len(manifest.environments) > 1:
        return False
    if ".." in text:
        return True
    try:
        history.resolve(text)
    except UsageError:
        return False
    return True
