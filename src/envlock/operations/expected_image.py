"""What an image of a lock must be: the layers that follow from the lock, each with the digest that is vouched for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from envlock.errors import UsageError
from envlock.formats.base_documents import BaseDocuments, BaseLayer, read_base
from envlock.formats.oci import LAYER, Config, Descriptor, RootFs, digest_of, parse_config, parse_manifest
from envlock.formats.project import with_project
from envlock.image import sums as image_sums
from envlock.image.layer import Layer
from envlock.image.plan import PlannedLayer, plan_layers
from envlock.image.project import project_layer
from envlock.model.edges import Artifacts
from envlock.model.lock import BaseImage, Lock, LockFile
from envlock.model.observation import ImageFact, LayerFact
from envlock.model.platform import Platform, image_platforms
from envlock.model.reference import Reference
from envlock.operations.base_layers import base_reference
from envlock.verify.vouched import PlannedDigest, Sums

Bases = Callable[[Platform], BaseDocuments | None]
"""Returns the documents of a lock's base from a registry, where they are at hand."""


def base_at_hand(lock: Lock, platform: Platform, artifacts: Artifacts) -> BaseDocuments | None:
    """Return the documents of a base from a registry where the cache has them; no registry is asked."""
    reference = base_reference(lock, platform)
    manifest = _at_hand(artifacts, reference.digest if reference else None, "manifest")
    if reference is None or manifest is None:
        return None
    parsed = parse_manifest(manifest, str(reference))
    config = _at_hand(artifacts, parsed.config.digest, "config")
    return read_base(reference, parsed, parse_config(config, str(reference))) if config is not None else None


def _at_hand(artifacts: Artifacts, digest: str | None, name: str) -> bytes | None:
    path = artifacts.get(digest.removeprefix("sha256:"), name) if digest else None
    return path.read_bytes() if path is not None else None


def expected_sums(path: Path, lock_file: LockFile, image: ImageFact | None, bases: Bases) -> Sums:
    """Read what envlock.sum says, and the layers that the lock's own image must have."""
    known = image_sums.read_sums(path)
    plan: tuple[PlannedDigest, ...] = ()
    given: tuple[Layer, ...] = ()
    ids: tuple[str, ...] = ()
    lock = lock_file.lock
    if lock.base is not None and lock.image is not None and image is not None and image.platform in lock.platforms:
        platform = image.platform
        base = bases(platform)
        layers = planned_layers(lock_file, platform, image.environment_layers, known, base)
        sure = {layer.key for layer in layers if layer.given and (base is not None or layer.kind != "registry")}
        given = tuple(layer.given for layer in layers if layer.given and layer.key in sure)
        plan = tuple(_planned(layer, known, sure) for layer in layers)
        if not image.digest:
            ids = _ids(lock_file, image, known, bases)
    vouched = (*known.layers.values(), *given)
    return Sums(
        images={key: _hex(digest) for key, digest in known.images.items()},
        layers=frozenset(_hex(layer.digest) for layer in vouched),
        diff_ids=frozenset(_hex(layer.diff_id) for layer in vouched),
        ids=ids,
        plan=plan,
    )


def _planned(layer: PlannedLayer, known: image_sums.Sums, sure: Collection[str]) -> PlannedDigest:
    expected = _expected(layer, known, sure)
    return PlannedDigest(
        title=layer.title,
        digest=_hex(expected.digest) if expected else "",
        diff_id=_hex(expected.diff_id) if expected else "",
    )


def _ids(lock_file: LockFile, image: ImageFact, known: image_sums.Sums, bases: Bases) -> tuple[str, ...]:
    """Return what an Engine may call the image whose manifest envlock.sum vouches for.

    The documents follow from the lock and the layers' digests, and with project files from what is said of those.
    """
    from envlock.operations.build import known_image

    found = {platform: bases(platform) for platform in image_platforms(lock_file.lock.platforms)}
    own = known_image(lock_file, known, {platform: base for platform, base in found.items() if base is not None})
    assert image.platform is not None
    platform = own.of(image.platform) if own is not None else None
    vouched = known.images.get((lock_file.digest, str(image.platform)))
    if platform is None or platform.manifest.descriptor.digest != vouched:
        return ()
    if image.project is None or not image.layers:
        documents = (platform.config, platform.manifest, own.index) if own is not None else ()
        return tuple(_hex(document.descriptor.digest) for document in documents)
    layer = project_layer(
        Layer(digest=f"sha256:{'0' * 64}", diff_id=f"sha256:{image.layers[-1].diff_id}", size=0),  # no config names it
        destination=image.project.destination,
        source=image.project.source,
        comment=image.project.comment,
    )
    _, config = with_project(platform.manifest.raw, platform.config.raw, layer)
    return (_hex(digest_of(config)),)


def planned_layers(
    lock_file: LockFile,
    platform: Platform,
    layers: Sequence[LayerFact],
    known: image_sums.Sums | None = None,
    base: BaseDocuments | None = None,
) -> tuple[PlannedLayer, ...]:
    """Return the plan of the lock's own image, which `layers` are said to be.

    Where the documents of a base from a registry (`base`) are not at hand, its layers are those of `layers` that the
    plan leaves over. How many they are decides how many of the wheels get a layer of their own, so that several numbers
    may fit: then the one is taken by which most layers are what `envlock.sum` (`known`) says.
    """
    image = lock_file.lock.base.image if lock_file.lock.base else None
    plan = plan_layers(lock_file, platform, base)
    if base is not None or image is None:
        return plan
    vouched = known or image_sums.Sums()
    fitting: list[tuple[PlannedLayer, ...]] = []
    for below in range(max(0, len(layers) - len(plan)), len(layers)):
        try:
            plan_here = plan_layers(lock_file, platform, _assumed(image, layers[:below]))
        except UsageError:  # more layers than an image of ours has
            break
        if len(plan_here) == len(layers):
            fitting.append(plan_here)
            if _agreement(plan_here, layers, vouched) == len(plan_here) - below:
                break
    return max(fitting, key=lambda each: _agreement(each, layers, vouched), default=plan)


def _agreement(plan: Sequence[PlannedLayer], layers: Sequence[LayerFact], known: image_sums.Sums) -> int:
    """Return how many layers are the ones that are vouched for."""
    pairs = [(_expected(planned, known, ()), layer) for planned, layer in zip(plan, layers, strict=True)]
    return sum(
        _hex(expected.digest) == layer.digest if layer.digest else _hex(expected.diff_id) == layer.diff_id
        for expected, layer in pairs
        if expected is not None
    )


def _assumed(base: BaseImage, layers: Sequence[LayerFact]) -> BaseDocuments:
    rows = tuple(
        BaseLayer(
            descriptor=Descriptor(media_type=LAYER, digest=f"sha256:{layer.digest}", size=layer.size),
            diff_id=f"sha256:{layer.diff_id}",
        )
        for layer in layers
    )
    config = Config(architecture="", os="", rootfs=RootFs(type="layers", diff_ids=()))
    return BaseDocuments(reference=Reference.parse(base.reference), layers=rows, config=config)


def _expected(layer: PlannedLayer, known: image_sums.Sums, sure: Collection[str]) -> Layer | None:
    """Return what a planned layer must be, None where nothing says it; of `sure` keys the lock itself does."""
    if layer.given is not None:
        return layer.given if layer.key in sure else None
    return known.layers.get(layer.key)


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
