"""`envlock which`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from envlock.cli.console import style_of
from envlock.cli.wiring import edges_of, manifest_if_any, whole
from envlock.errors import UsageError

if TYPE_CHECKING:
    from envlock.model.edges import History
    from envlock.model.manifest import Manifest
    from envlock.model.origin import Origin
    from envlock.operations.which import Trust


@click.command("which")
@click.argument("reference", metavar="REF")
@click.option(
    "--allowed-signers",
    envvar="ENVLOCK_ALLOWED_SIGNERS",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Ask for a statement signed by one of them; git's gpg.ssh.allowedSignersFile tells names alone.",
)
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="Print the result as JSON.")
@click.pass_context
def command(ctx: click.Context, reference: str, *, allowed_signers: Path | None, as_json: bool) -> int:
    """Say which lock, environment and commit an image is of.

    REF is a reference of a registry, :TAG of the manifest's repository, oci:DIR[:NAME], or engine:NAME. Nothing of the
    image's files is fetched; `verify` proves what is in them.

    Exit codes: 0, 2 for an image that is not of envlock, 3 where a signature was asked for and there is none, 4 where
    statements or signatures contradict the image.
    """
    from envlock.operations.which import beside_project
    from envlock.report.origin import origin_json, origin_text

    manifest, reference = manifest_if_any(), whole(reference)
    origin = _origin(ctx, reference, _trust(allowed_signers), manifest)
    if manifest is not None:
        origin = beside_project(origin, manifest, _history(manifest))
    if as_json:
        click.echo(origin_json(origin))
    else:
        click.echo(origin_text(origin, style=style_of(ctx)), nl=False)
    return origin.exit_code


def _origin(ctx: click.Context, reference: str, trust: Trust, manifest: Manifest | None) -> Origin:
    from envlock.operations.places import in_registry, place_of
    from envlock.operations.which import which_by_labels, which_in, which_in_registry

    if reference.startswith("engine:"):
        from envlock.adapters.engine_image import image_in_engine

        found = image_in_engine(reference.removeprefix("engine:"))
        return which_by_labels(reference, found.platform, found.image_id, found.labels)
    registry = edges_of(ctx, manifest).registry()
    if reference.startswith("oci:"):
        return which_in(place_of(reference, registry), reference, trust)
    return which_in_registry(registry, in_registry(reference), trust)


def _trust(allowed: Path | None) -> Trust:
    from envlock.adapters.git_sources import allowed_signers
    from envlock.adapters.ssh import SshKeygen
    from envlock.operations.which import Trust

    known = allowed or allowed_signers(Path.cwd())
    usable = known if known is not None and known.is_file() else None
    return Trust(signatures=SshKeygen(), allowed=usable, demanded=allowed is not None)


def _history(manifest: Manifest) -> History | None:
    from envlock.adapters.git_sources import GitHistory

    try:
        return GitHistory(manifest.sums_path.parent)
    except UsageError:
        return None
