"""`envlock pull`."""

from __future__ import annotations

import click

from envlock.cli.build import digests_of, parse_output, print_images, warn, write_output
from envlock.cli.cache import shrink
from envlock.cli.wiring import edges_of, manifest_here, only
from envlock.errors import UsageError


@click.command("pull")
@click.argument("env", required=False, metavar="[ENV]")
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
    help="oci:DIR, docker-archive:FILE or engine; oci:.envlock/images/ENV.",
)
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="Print the result as JSON.")
@click.pass_context
def command(ctx: click.Context, env: str | None, *, tag: str | None, outputs: tuple[str, ...], as_json: bool) -> None:
    """Bring the image of a lock from its registry: the lock says which, whatever a tag names by now."""
    import json

    from envlock.formats.pylock import read_lock
    from envlock.operations.pull import pull_image
    from envlock.operations.references import destinations

    manifest = manifest_here()
    name = only(manifest, env)
    targets = [parse_output(text) for text in outputs]
    (destination,) = destinations(manifest, name, () if tag is None else (tag,))
    if manifest.environment(name).image is None:
        raise UsageError("no-image", f"Environment {name!r} has no image.")
    edges = edges_of(ctx, manifest)
    path = manifest.lock_path(name)
    lock_file = read_lock(path)
    asked = destination.tags[0] if destination.tags else None
    image = pull_image(lock_file, destination.repository, asked, sums=manifest.sums_path, edges=edges, warn=warn)
    reference = f"{destination.repository.tagged(asked or image.tag)}"
    if not as_json:
        print_images(name, [image], "pulled")
    written = []
    for kind, where in targets or [("oci", str(manifest.folder / ".envlock" / "images" / name))]:
        names = [asked or image.tag] if kind == "oci" else [reference]
        written.append(write_output(kind, where, [image], name, names, edges.progress))
        if not as_json:
            click.echo(f"  {'written':<15} {written[-1]}")
    shrink()
    if as_json:
        row = {
            "env": name,
            "lock": f"sha256:{lock_file.digest}",
            **digests_of(image),
            "reference": f"{reference}@{image.index.descriptor.digest}",
            "outputs": written,
        }
        click.echo(json.dumps({"schema": 1, "pulled": row}, indent=2))
