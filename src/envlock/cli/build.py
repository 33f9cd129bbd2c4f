"""`envlock build`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from envlock.cli.inputs import look_at_inputs
from envlock.cli.wiring import chosen, edges_of, manifest_here, relative, this_platform
from envlock.errors import UsageError

if TYPE_CHECKING:
    from envlock.image.oci import Image
    from envlock.model.edges import Progress

_FORMS = "oci:DIR, docker-archive:FILE or engine"


@click.command("build")
@click.argument("envs", nargs=-1, metavar="[ENV]...")
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    envvar="ENVLOCK_BUILD_OUTPUT",
    metavar="OUTPUT",
    help=f"{_FORMS}; oci:.envlock/images/ENV.",
)
@click.option(
    "-t",
    "--tag",
    "tags",
    multiple=True,
    envvar="ENVLOCK_BUILD_TAG",
    metavar="NAME",
    help="Name it, as with docker; may be repeated.",
)
@click.option("--locked", is_flag=True, help="Fail (1) where the lock no longer follows from its inputs.")
@click.option("--frozen", is_flag=True, help="Do not even look at the manifest's inputs.")
@click.option("--rebuild", is_flag=True, help="Trust no cached layer: build all and compare with envlock.sum.")
@click.option("-j", "--jobs", type=click.IntRange(1), help="Layers at a time; never changes the bytes.")
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="Print the result as JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    envs: tuple[str, ...],
    *,
    outputs: tuple[str, ...],
    tags: tuple[str, ...],
    locked: bool,
    frozen: bool,
    rebuild: bool,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Build images from locks: no daemon, no root, the same digest on every machine.

    Without ENV, every environment that has an image.
    """
    import json

    from envlock.formats.pylock import read_lock
    from envlock.operations.image import build_image

    manifest = manifest_here()
    names = envs or tuple(name for name in sorted(manifest.environments) if manifest.environments[name].image)
    names = chosen(manifest, names)
    targets = [_parse(text) for text in outputs]
    if len(names) > 1 and any(kind == "docker-archive" for kind, _ in targets):
        raise click.UsageError("One docker-archive holds one environment: name it.")
    edges = edges_of(ctx, manifest)
    rows = []
    for name in names:
        path = manifest.lock_path(name)
        lock_file = read_lock(path)
        look_at_inputs(ctx, manifest, name, locked=locked, frozen=frozen, doing="building")
        table = manifest.environments[name].image
        if table is not None and table.include:
            click.secho("warning: include is not read yet: no project file is in the image", fg="yellow", err=True)
        image = build_image(
            lock_file,
            folder=path.parent,
            sums=manifest.sums_path,
            edges=edges,
            warn=lambda text: click.secho(f"warning: {text}", fg="yellow", err=True),
            jobs=jobs,
            rebuild=rebuild,
        )
        written: list[str] = []
        row = {
            "env": name,
            "lock": f"sha256:{lock_file.digest}",
            "index": image.index.descriptor.digest,
            "platforms": {
                str(one.platform): {"manifest": one.manifest.descriptor.digest, "image": one.image_id}
                for one in image.platforms
            },
            "outputs": written,
        }
        if not as_json:
            _print(name, image)
        for kind, where in targets or [("oci", str(manifest.folder / ".envlock" / "images" / name))]:
            written.append(_write(kind, where, image, name, tags, edges.progress))
            if not as_json:
                click.echo(f"  written   {written[-1]}")
        rows.append(row)
    if as_json:
        click.echo(json.dumps({"schema": 1, "images": rows}, indent=2))


def _parse(text: str) -> tuple[str, str]:
    kind, _, where = text.partition(":")
    if text == "engine" or (kind in ("oci", "docker-archive") and where):
        return kind, where
    raise UsageError("bad-output", f"--output {text!r} is not understood.", expected=_FORMS, found=text)


def _print(name: str, image: Image) -> None:
    click.secho(f"{name}: built", bold=True)
    click.echo(f"  index     {image.index.descriptor.digest}")
    for one in image.platforms:
        layers = len(one.layers)
        size = sum(layer.size for layer in one.layers) / 1e6
        click.echo(f"  manifest  {one.manifest.descriptor.digest}  {one.platform}, {layers} layers, {size:.0f} MB")
        click.echo(f"  image ID  {one.image_id}")


def _write(kind: str, where: str, image: Image, env: str, tags: Sequence[str], progress: Progress) -> str:
    if kind == "oci":
        from envlock.image.layout import write_layout

        write_layout(Path(where), image, tags, progress=progress)
        return f"oci:{relative(Path(where).absolute())}"
    names = [_with_tag(tag) for tag in tags] or [f"{env}:{image.tag}"]
    if kind == "docker-archive":
        from envlock.adapters.engine import qualified
        from envlock.image.docker_archive import write_docker_archive

        architecture = this_platform().architecture
        ours = (one for one in image.platforms if one.platform.architecture == architecture)
        platform = next(ours, image.platforms[0])
        write_docker_archive(Path(where), image, platform, {tag: qualified(tag) for tag in names}, progress=progress)
        return f"docker-archive:{where}"
    from envlock.adapters.engine import Engine

    with Engine() as engine:
        engine.load(image, image.of(engine.platform), names, progress=progress)
    return f"engine: {', '.join(names)}"


def _with_tag(name: str) -> str:
    """Return a name as docker understands it: `latest` where it has no tag."""
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"
