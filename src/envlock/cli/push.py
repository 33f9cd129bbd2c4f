"""`envlock push`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from envlock.cli.build import digests_of, print_images, warn
from envlock.cli.cache import expect_limit, shrink
from envlock.cli.inputs import look_at_inputs
from envlock.cli.wiring import chosen, edges_of, environments, manifest_here
from envlock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from envlock.image.oci import Image
    from envlock.model.manifest import Manifest
    from envlock.operations.attest import Attached, Attestation
    from envlock.operations.making import Making
    from envlock.operations.materials import Elsewhere
    from envlock.operations.push import Published
    from envlock.operations.references import Destination


@click.command("push")
@click.argument("envs", nargs=-1, metavar="[ENV]...", shell_complete=environments)
@click.option(
    "-t",
    "--tag",
    "tags",
    multiple=True,
    envvar="ENVLOCK_PUSH_TAG",
    metavar="REF",
    help="A tag in the manifest's repository (v1), or a whole reference; may be repeated.",
)
@click.option("--locked", is_flag=True, help="Fail (1) where the lock no longer follows from its inputs.")
@click.option("--frozen", is_flag=True, help="Do not even look at the manifest's inputs.")
@click.option("--rebuild", is_flag=True, help="Trust no cache and no tag: build all, compare, and look at every blob.")
@click.option("-j", "--jobs", type=click.IntRange(1), help="Layers at a time; never changes the bytes.")
@click.option("--sbom", "with_sbom", is_flag=True, help="Attach a CycloneDX bill of materials.")
@click.option("--sign", "key", envvar="ENVLOCK_SIGN_KEY", metavar="KEY", help="Sign the provenance with this SSH key.")
@click.option("--no-provenance", is_flag=True, help="Attach no statement of lock and commit.")
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="Print the result as JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    envs: tuple[str, ...],
    *,
    tags: tuple[str, ...],
    locked: bool,
    frozen: bool,
    rebuild: bool,
    jobs: int | None,
    with_sbom: bool,
    key: str | None,
    no_provenance: bool,
    as_json: bool,
) -> None:
    """Publish images, sending only what their registry lacks.

    Every image gets the tag of its lock, lock-…; -t gives others. With `include` in the manifest, -t names the project
    image, which stands on that of the lock. Without ENV, every environment that has a repository.
    """
    import json

    from envlock.formats.pylock import read_lock
    from envlock.operations.making import Making
    from envlock.operations.references import destinations

    if key is not None and no_provenance:
        raise click.UsageError("--sign signs the provenance, and --no-provenance leaves it out.")
    if key is not None:
        from envlock.adapters.ssh import SshKeygen

        SshKeygen().expect(key)  # before anything is built
    manifest = manifest_here()
    names = chosen(manifest, envs or _with_repository(manifest))
    expect_limit()
    if len(names) > 1 and tags:
        raise click.UsageError("-t names one image: say of which environment.")
    wanted = {name: destinations(manifest, name, tags) for name in names}
    edges = edges_of(ctx, manifest)
    rows = []
    for name in names:
        look_at_inputs(ctx, manifest, name, locked=locked, frozen=frozen, doing="pushing")
        lock_file = read_lock(manifest.lock_path(name))
        making = Making(manifest=manifest, name=name, lock_file=lock_file, edges=edges, warn=warn)
        pushing = _Pushing(making, jobs=jobs, rebuild=rebuild)
        attestations = pushing.bill_of_materials() if with_sbom else ()
        for destination in wanted[name]:
            for published in pushing.publish(destination):
                provenance = () if no_provenance else (pushing.provenance(published.image, key),)
                attached = pushing.attach(published, (*provenance, *attestations))
                rows.append(_row(name, published, attached))
                if not as_json:
                    _print(name, published, attached)
    if not all(row["unchanged"] for row in rows):
        shrink()
    if as_json:
        click.echo(json.dumps({"schema": 1, "pushed": rows}, indent=2))


def _with_repository(manifest: Manifest) -> tuple[str, ...]:
    environments = manifest.environments
    names = tuple(name for name in sorted(environments) if (image := environments[name].image) and image.repository)
    if not names:
        raise UsageError(
            "no-repository",
            "The manifest names no repository for any of its images.",
            where=manifest.path.name,
            expected='[env.NAME.image] repository = "registry.example.com/team/name"',
            hint="Add it, or name environment and reference: envlock push ENV -t registry.example.com/team/name:v1",
        )
    return names


class _Pushing:
    """One environment on its way to registries."""

    def __init__(self, making: Making, *, jobs: int | None, rebuild: bool) -> None:
        from envlock.operations.references import neighbours

        self._making = making
        self._jobs = jobs
        self._rebuild = rebuild
        self._neighbours = neighbours(making.manifest, making.name, making.lock_file.lock)
        self._known = making.vouched()

    def publish(self, destination: Destination) -> list[Published]:
        """Publish the image of the lock, and that of the project on it where there is one, which gets the tags."""
        import msgspec

        if not self._making.includes:
            return [self._publish(destination, self._built, self._known)]
        environment = self._publish(msgspec.structs.replace(destination, tags=()), self._built, self._known)
        project = self._making.with_project(environment.image, rebuild=self._rebuild)[-1]
        return [environment, self._publish(destination, lambda _: project, project)]

    def _publish(self, destination: Destination, make: Callable[[Elsewhere], Image], known: Image | None) -> Published:
        from envlock.operations.push import publish

        edges = self._making.edges
        return publish(
            destination,
            make=make,
            known=known,
            registry=edges.registry(),
            sources=self._neighbours,
            progress=edges.progress,
            rebuild=self._rebuild,
        )

    def _built(self, elsewhere: Elsewhere) -> Image:
        return self._making.build(elsewhere, jobs=self._jobs, rebuild=self._rebuild)

    def bill_of_materials(self) -> tuple[Attestation, ...]:
        """Return the SBOM, before anything is sent: it may lack its library."""
        from envlock.operations.attest import sbom

        return (sbom(self._making.lock_file),)

    def _project_files(self) -> list[Path]:
        """Return every file of the project image: one that git ignores is in no commit."""
        from envlock.image.project_tree import collect

        making = self._making
        tree = collect(making.manifest.folder, making.includes, progress=making.edges.progress)
        return [tree.root / file.path for file in tree.files]

    def provenance(self, image: Image, key: str | None) -> Attestation:
        """Return the statement of lock and commit, signed where there is a key."""
        from envlock.adapters.git_sources import source_of
        from envlock.model.observation import Unknown
        from envlock.operations.attest import provenance, signed

        making = self._making
        files = self._project_files() if image.source else []
        source = source_of(making.manifest.lock_path(making.name), [making.manifest.path, *files])
        if isinstance(source, Unknown):
            why = f"{source.reason.rstrip('.')}{f' ({source.hint})' if source.hint else ''}"
            click.echo(f"note: the provenance names no commit: {why}", err=True)
        statement = provenance(image, making.lock_file, source)
        if key is None:
            return statement
        from envlock.adapters.ssh import SshKeygen

        return signed(statement, SshKeygen(), key)

    def attach(self, published: Published, attestations: tuple[Attestation, ...]) -> tuple[Attached, ...]:
        """Put attestations beside the image."""
        from envlock.operations.attest import attach

        registry = self._making.edges.registry()
        return attach(registry, published.repository, published.image.index.descriptor, attestations)


def _print(name: str, published: Published, attached: tuple[Attached, ...]) -> None:
    from envlock.report.style import count

    print_images(name, [published.image], "in the registry already" if published.unchanged else "pushed")
    for tag, reference in zip(published.tags, published.references, strict=True):
        moved = f"  (was {tag.before})" if tag.before else ""
        click.echo(f"  {'named':<15} {reference}{moved}")
    for each in attached:
        if each.new:
            click.echo(f"  {'attached':<15} {each.kind} {each.digest}")
    if not published.unchanged:
        click.echo(
            f"  {'sent':<15} {published.sent_bytes / 1e6:.1f} MB in {count(published.sent, 'blob')}, "
            f"{published.mounted} mounted, {published.there} there already"
        )


def _row(name: str, published: Published, attached: tuple[Attached, ...]) -> dict[str, Any]:
    image = published.image
    return {
        "env": name,
        "lock": f"sha256:{image.lock_digest}",
        "repository": published.repository.name,
        **digests_of([image]),
        "source": f"sha256:{image.source}" if image.source else None,
        "references": list(published.references),
        "moved": {each.tag: each.before for each in published.tags if each.before},
        "unchanged": published.unchanged,
        "sent": published.sent,
        "mounted": published.mounted,
        "there": published.there,
        "bytes": published.sent_bytes,
        "attached": [{"kind": each.kind, "digest": each.digest, "new": each.new} for each in attached],
    }
