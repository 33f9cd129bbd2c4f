"""`envlock copy`."""

from __future__ import annotations

import click

from envlock.cli.wiring import edges_of, whole


@click.command("copy")
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
@click.option("--no-referrers", is_flag=True, help="Leave attestations and signatures behind.")
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="Print the result as JSON.")
@click.pass_context
def command(ctx: click.Context, source: str, target: str, *, no_referrers: bool, as_json: bool) -> None:
    """Copy any image, all of its platforms and what refers to it, with the digests that it has.

    SRC and DST are references of images in registries, :TAG of the manifest's repository, or OCI layouts:
    oci:DIR[:NAME]. Within one registry blobs are mounted; nothing is kept on this machine on the way.
    """
    import json

    from envlock.operations.copy import copy_image
    from envlock.operations.places import place_of
    from envlock.report.style import count

    edges = edges_of(ctx)
    registry = edges.registry()
    origin, destination = (place_of(whole(text), registry) for text in (source, target))
    copied = copy_image(origin, destination, progress=edges.progress, referrers=not no_referrers)
    if as_json:
        import msgspec

        click.echo(json.dumps({"schema": 1, **msgspec.to_builtins(copied)}, indent=2))
        return
    click.echo(copied.name)
    more = f", {count(copied.referrers, 'attestation')} with it" if copied.referrers else ""
    click.echo(
        f"  {copied.sent_bytes / 1e6:.1f} MB in {count(copied.sent, 'blob')} copied, "
        f"{copied.mounted} mounted, {copied.there} there already{more}"
    )
