"""`envlock pull`."""

from __future__ import annotations

import click

from envlock.cli.build import digests_of, own_layout, parse_output, print_images, warn, write_output
from envlock.cli.cache import expect_limit, shrink
from envlock.cli.wiring import edges_of, environments, manifest_here, only


@click.command("pull")
@click.argument("env", required=False, metavar="[ENV]", shell_complete=environments)
@click.option(
    "-t",
    "--tag",
    metavar="REF",
    help="Where it is: a tag in the manifest's repository, or a whole reference; by default the lock's own tag.",
)
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    envvar="ENVLOCK_PULL_OUTPUT",
    metavar="OUTPUT",
    help="oci:DIR, docker-archive:FILE or engine. Without: oci:.envlock/images/ENV.",
)
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="Print the result as JSON.")
@click.pass_context
def command(ctx: click.Context, env: str | None, *, tag: str | None, outputs: tuple[str, ...], as_json: bool) -> None:
    """Bring the image of a lock from its registry: the lock says which, whatever a tag names by now.

    With `include` in the manifest, the project image too: made here, above what was pulled, of the files that are here.
    """
    import json

    from envlock.formats.pylock import read_lock
    from envlock.operations.making import Making
    from envlock.operations.references import destinations

    manifest = manifest_here()
    name = only(manifest, env)
    expect_limit()
    targets = [parse_output(text) for text in outputs]
    (destination,) = destinations(manifest, name, () if tag is None else (tag,))
    edges = edges_of(ctx, manifest)
    lock_file = read_lock(manifest.lock_path(name))
    making = Making(manifest=manifest, name=name, lock_file=lock_file, edges=edges, warn=warn)
    asked = destination.tags[0] if destination.tags else None
    images = making.pulled(destination.repository, asked)
    image = images[-1]
    reference = f"{destination.repository.tagged(asked or image.tag)}"
    if not as_json:
        print_images(name, images, "pulled")
    written = []
    for kind, where in targets or [own_layout(manifest, name)]:
        names = [asked or image.tag] if kind == "oci" else [reference]
        written.append(write_output(kind, where, images, name, names, edges.progress))
        if not as_json:
            click.echo(f"  {'written':<15} {written[-1]}")
    shrink()
    if as_json:
        row = {
            "env": name,
            "lock": f"sha256:{lock_file.digest}",
            **digests_of(images),
            "reference": f"{reference}@{image.index.descriptor.digest}",
            "outputs": written,
        }
        click.echo(json.dumps({"schema": 1, "pulled": row}, indent=2))
