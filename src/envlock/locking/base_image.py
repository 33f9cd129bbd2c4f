"""A base from a registry: pinned by digest, and what is inside it read off its layers, none of it run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from envlock.errors import UsageError
from envlock.formats.base_documents import BaseDocuments, BaseLayer, read_base
from envlock.formats.blob import small
from envlock.formats.image_tree import merged
from envlock.formats.layer_reader import read_layer
from envlock.formats.oci import (
    DOCKER_INDEX,
    INDEX,
    Config,
    Descriptor,
    Manifest,
    parse_config,
    parse_index,
    parse_manifest,
)
from envlock.formats.tar import Entry
from envlock.locking.inside import Inside, Kept, keep, look_inside
from envlock.model.edges import Progress, Registry, counted
from envlock.model.lock import BaseImage, BaseManifest
from envlock.model.platform import Platform
from envlock.model.reference import Reference

_THREADS = 2
"""Layers at a time: inflating two keeps two cores busy."""
_VARIANTS = {"arm64": (None, "", "v8"), "amd64": (None, "", "v1")}


class PulledBase(msgspec.Struct, frozen=True, kw_only=True):
    """A base image by digest, with what each platform holds."""

    image: BaseImage
    inside: Mapping[Platform, Inside]

    @property
    def common(self) -> Inside:
        """What the platforms have in common: interpreter, versions and distribution are the same on all."""
        return next(iter(self.inside.values()))


def pull_base(
    reference: str,
    python: str,
    platforms: Sequence[Platform],
    registry: Registry,
    progress: Progress,
    *,
    digest: str | None = None,
) -> PulledBase:
    """Pin a reference, and read the Python `python` (a feature version), glibc and packages inside off its layers.

    With `digest` (of an index or manifest) that is read, whatever the reference names by now.
    Raises UsageError: `no-platform`, `no-python`, `no-glibc`, `platforms-disagree`, what makes a base none to build on
    (`formats.base_documents.read_base`), and what the registry raises; IntegrityError and UnverifiableError for layers
    that cannot be read.
    """
    named = Reference.parse(reference)
    if digest:
        named = named.at(digest)
    raw, media_type, found = registry.manifest(named)
    index = found if media_type in (INDEX, DOCKER_INDEX) else None
    manifests: list[BaseManifest] = []
    inside: dict[Platform, Inside] = {}
    offered: Sequence[Descriptor] = parse_index(raw, str(named)).manifests if index else ()
    for platform in platforms:
        at = named.at(_choose(offered, platform, reference) if index else found)
        body = registry.manifest(at)[0] if index else raw
        manifest = parse_manifest(body, str(at))
        config = _config(registry, at, manifest)
        _check_platform(config, platform, reference)
        layers = _layers(registry, read_base(at, manifest, config), progress)
        variables = dict(line.partition("=")[::2] for line in (config.config.env if config.config else None) or ())
        inside[platform] = look_inside(merged(layers), variables.get("PATH", ""), python, f"{reference} {platform}")
        manifests.append(BaseManifest(platform=str(platform), digest=str(at.digest)))
    _check_agreement(inside, reference)
    image = BaseImage(reference=reference, index=index, manifests=tuple(manifests))
    return PulledBase(image=image, inside=inside)


def _choose(offered: Sequence[Descriptor], platform: Platform, reference: str) -> str:
    """Return the digest of a platform's manifest; entries of attestations are of the platform unknown/unknown."""
    images = [each for each in offered if each.platform is not None and each.platform.os != "unknown"]
    for each in images:
        if (
            each.platform is not None
            and (each.platform.os, each.platform.architecture) == (platform.os, platform.architecture)
            and each.platform.variant in _VARIANTS.get(platform.architecture, (None, ""))
        ):
            return each.digest
    found = sorted({f"{each.platform.os}/{each.platform.architecture}" for each in images if each.platform})
    raise _no_platform(reference, platform, ", ".join(found) or "no image")


def _check_platform(config: Config, platform: Platform, reference: str) -> None:
    if (config.os, config.architecture) != (platform.os, platform.architecture):
        raise _no_platform(reference, platform, f"{config.os}/{config.architecture}")


def _no_platform(reference: str, platform: Platform, found: str) -> UsageError:
    return UsageError(
        "no-platform",
        f"The base is not there for {platform}.",
        where=reference,
        expected=str(platform),
        found=found,
        hint="Choose another base, or take the platform out of `platforms`.",
    )


def _config(registry: Registry, at: Reference, manifest: Manifest) -> Config:
    wanted = manifest.config
    raw = small(registry.blob(at, wanted.digest), wanted.size, where=str(at), digest=wanted.digest)
    return parse_config(raw, str(at))


def _layers(registry: Registry, base: BaseDocuments, progress: Progress) -> list[list[tuple[str, Kept]]]:
    """Stream every layer, and keep what tells something."""
    at = base.reference

    def read(layer: BaseLayer) -> list[tuple[str, Kept]]:
        entries = read_layer(
            counted(registry.blob(at, layer.descriptor.digest), task),
            where=f"{at.repository} {layer.descriptor.digest}",
            digest=layer.descriptor.digest,
            diff_id=layer.diff_id,
        )
        return [(f"/{entry.path}", kept) for entry, body in entries if (kept := _kept(entry, body)) is not None]

    total = sum(layer.descriptor.size for layer in base.layers)
    pool = ThreadPoolExecutor(_THREADS)
    try:
        with progress.task(f"Reading the layers of {at.repository}", total, unit="bytes") as task:
            return list(pool.map(read, base.layers))
    finally:
        pool.shutdown(cancel_futures=True)


def _kept(entry: Entry, body: Iterator[bytes]) -> Kept | None:
    if not entry.path:
        return None
    if entry.kind == "file":
        return keep(entry.path, entry.size, body)
    return Kept(kind=entry.kind, link=entry.link)


def _check_agreement(inside: Mapping[Platform, Inside], reference: str) -> None:
    """Refuse a base whose platforms differ in what the lock says once."""
    for field in ("distribution", "interpreter", "python", "glibc", "usr_merged"):
        values = {str(platform): getattr(each, field) for platform, each in inside.items()}
        if len(set(values.values())) > 1:
            raise UsageError(
                "platforms-disagree",
                f"The platforms of the base differ in their {field.replace('_', ' ')}.",
                where=reference,
                expected="the same on every platform",
                found=", ".join(f"{platform}: {value}" for platform, value in values.items()),
                hint="Lock one platform, or choose another base.",
            )
