"""`envlock tag`."""

from __future__ import annotations

import click

from envlock.cli.wiring import edges_of, whole


@click.command("tag")
@click.argument("reference", metavar="REF")
@click.argument("tags", nargs=-1, required=True, metavar="NEWTAG...")
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="Print the result as JSON.")
@click.pass_context
def command(ctx: click.Context, reference: str, tags: tuple[str, ...], *, as_json: bool) -> None:
    """Give an image in a registry more tags; no layer is pulled or sent.

    REF is a reference with a tag or a digest, or :TAG for the manifest's repository; NEWTAG a tag in the same one.
    """
    import json

    from envlock.operations.copy import tag_image
    from envlock.operations.places import in_registry
    from envlock.operations.references import tag_of

    parsed = in_registry(whole(reference))
    names = tuple(dict.fromkeys(tag_of(text) for text in tags))
    digest, given = tag_image(parsed, names, edges_of(ctx).registry())
    references = [f"{parsed.tagged(each.tag)}@{digest}" for each in given]
    if as_json:
        moved = {each.tag: each.before for each in given if each.before}
        click.echo(json.dumps({"schema": 1, "digest": digest, "references": references, "moved": moved}, indent=2))
        return
    for each, name in zip(given, references, strict=True):
        click.echo(f"{name}  (was {each.before})" if each.before else name)
