"""`envlock build`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from envlock.cli.cache import expect_limit, shrink
from envlock.cli.inputs import look_at_inputs
from envlock.cli.wiring import chosen, edges_of, environments, manifest_here, relative, this_platform
from envlock.errors import UsageError, one_line

if TYPE_CHECKING:
    from envlock.image.oci import Image
    from envlock.model.edges import Progress
    from envlock.model.lock import LockFile
    from envlock.model.manifest import Manifest
    from envlock.model.reference import Reference
    from envlock.operations.making import Making

_FORMS = "oci:DIR, docker-archive:FILE or engine"
_NO_ANSWER = ("registry-failed", "registry-denied", "bad-docker-config", "credential-helper-failed", "offline")
"""Why a registry cannot be asked whether it has an image, which then is built."""


@click.command("build")
@click.argument("envs", nargs=-1, metavar="[ENV]...", shell_complete=environments)
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    envvar="ENVLOCK_BUILD_OUTPUT",
    metavar="OUTPUT",
    help=f"{_FORMS}. Without: none where the repository has the image, else oci:.envlock/images/ENV.",
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

    Without ENV, every environment that has an image. With `include` in the manifest, the project image too, which is
    the one that -t names.
    """
    import json

    from envlock.formats.pylock import read_lock
    from envlock.operations.making import Making

    manifest = manifest_here()
    names = envs or tuple(name for name in sorted(manifest.environments) if manifest.environments[name].image)
    names = chosen(manifest, names)
    expect_limit()
    targets = [parse_output(text) for text in outputs]
    if len(names) > 1 and any(kind == "docker-archive" for kind, _ in targets):
        raise click.UsageError("One docker-archive holds one environment: name it.")
    if len(names) > 1 and tags and targets:
        raise click.UsageError("-t names one image: say of which environment.")
    edges = edges_of(ctx, manifest)
    rows = []
    for name in names:
        lock_file = read_lock(manifest.lock_path(name))
        look_at_inputs(ctx, manifest, name, locked=locked, frozen=frozen, doing="building")
        making = Making(manifest=manifest, name=name, lock_file=lock_file, edges=edges, warn=warn)
        there = None if targets or tags or rebuild else _in_registry(making)
        if there:
            images, written = there[0], [str(there[1])]
        else:
            images, written = making.with_project(making.build(jobs=jobs, rebuild=rebuild), rebuild=rebuild), []
        if not as_json:
            print_images(name, images, "in the registry" if there else "built")
        for kind, where in [] if there else targets or [own_layout(manifest, name)]:
            written.append(write_output(kind, where, images, name, tags, edges.progress))
        if not as_json:
            for place in written:
                click.echo(f"  {'there' if there else 'written':<15} {place}")
        rows.append(_row(name, lock_file, images, written, built=there is None))
    if any(row["built"] for row in rows):
        shrink()
    if as_json:
        click.echo(json.dumps({"schema": 1, "images": rows}, indent=2))


def _in_registry(making: Making) -> tuple[tuple[Image, ...], Reference] | None:
    """Return the images and their reference where envlock.sum and the registry agree that they are there."""
    from envlock.operations.references import repository_of

    repository = repository_of(making.manifest, making.name)
    if repository is None:
        return None
    try:
        image = making.vouched()
        if image is None:
            return None
        images = making.with_project(image)
        registry = making.edges.registry()
        for each in images:
            found = registry.find(repository.tagged(each.tag))
            if found is None:
                return None
            if found != each.index.descriptor.digest:
                warn(f"{repository.tagged(each.tag)} names another image, {found}, so the image is built here")
                return None
    except UsageError as error:
        if error.reference not in _NO_ANSWER:
            raise
        if error.reference != "offline":
            warn(f"{repository.name} cannot be asked, so the image is built here ({error.found or error.what})")
        return None
    return images, repository.at(images[-1].index.descriptor.digest)


def warn(text: str) -> None:
    """Say what a user should know, on stderr."""
    click.secho(f"warning: {one_line(text)}", fg="yellow", err=True)


def _row(name: str, lock_file: LockFile, images: Sequence[Image], written: list[str], *, built: bool) -> dict[str, Any]:
    return {
        "env": name,
        "lock": f"sha256:{lock_file.digest}",
        "built": built,
        **digests_of(images),
        "outputs": written,
    }


def digests_of(images: Sequence[Image]) -> dict[str, Any]:
    """Return the digests of the lock's image, and of the project image where there is one, as --json shows them."""
    image, *above = images
    project = {"project": {"tag": above[-1].tag, **digests_of(above)}} if above else {}
    return {
        "index": image.index.descriptor.digest,
        "platforms": {
            str(one.platform): {"manifest": one.manifest.descriptor.digest, "image": one.image_id}
            for one in image.platforms
        },
        **project,
    }


def own_layout(manifest: Manifest, env: str) -> tuple[str, str]:
    """Return where an image goes without an --output: a layout of the project's own, which git is told to ignore."""
    from envlock.operations.own_folder import own_folder

    return "oci", str(own_folder(manifest.folder) / "images" / env)


def parse_output(text: str) -> tuple[str, str]:
    """Return kind and place of an --output; UsageError (`bad-output`)."""
    kind, _, where = text.partition(":")
    if text == "engine" or (kind in ("oci", "docker-archive") and where):
        return kind, where
    raise UsageError("bad-output", f"--output {text!r} is not understood.", expected=_FORMS, found=text)


def print_images(name: str, images: Sequence[Image], outcome: str) -> None:
    """Say what an image is known as, by the three names that registries and Engines use."""
    for image in images:
        what = f"{name}: {outcome}" if image.source is None else f"{name}: project image {image.tag}"
        click.secho(what, bold=True)
        click.echo(f"  index digest    {image.index.descriptor.digest}")
        for one in image.platforms:
            size = sum(layer.size for layer in one.layers) / 1e6
            about = f"{one.platform}, {len(one.layers)} layers, {size:.0f} MB"
            click.echo(f"  manifest digest {one.manifest.descriptor.digest}  {about}")
            click.echo(f"  image ID        {one.image_id}")


def write_output(
    kind: str, where: str, images: Sequence[Image], env: str, tags: Sequence[str], progress: Progress
) -> str:
    """Write the last image; a layout holds the environment image below a project image too."""
    image = images[-1]
    if kind == "oci":
        from envlock.image.layout import write_layout

        for below in images[:-1]:
            write_layout(Path(where), below, progress=progress)
        write_layout(Path(where), image, tags, progress=progress)
        return f"oci:{relative(Path(where).absolute())}"
    names = [_with_tag(tag) for tag in tags] or [f"{env}:{image.tag}"]
    if kind == "docker-archive":
        from envlock.adapters.engine_store import qualified
        from envlock.image.docker_archive import write_docker_archive

        architecture = this_platform().architecture
        ours = (one for one in image.platforms if one.platform.architecture == architecture)
        platform = next(ours, image.platforms[0])
        write_docker_archive(Path(where), image, platform, {tag: qualified(tag) for tag in names}, progress=progress)
        return f"docker-archive:{where}"
    from envlock.adapters.engine import Engine
    from envlock.adapters.engine_store import EngineStore

    with Engine() as engine:
        EngineStore(engine).load(image, image.of(engine.platform), names, progress=progress)
    return f"engine: {', '.join(names)}"


def _with_tag(name: str) -> str:
    """Return a name as docker understands it: `latest` where it has no tag."""
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"
