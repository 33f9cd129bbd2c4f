"""What the manifest and configuration of a base image say that an image on top of it carries on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

import msgspec

from envlock.errors import UsageError
from envlock.formats.oci import LAYER, Config, Descriptor, Manifest, check_layers
from envlock.model.reference import Reference

_TAR = "application/vnd.oci.image.layer.v1.tar"
_DOCKER_TAR = "application/vnd.docker.image.rootfs.diff.tar"
_CARRIED = {f"{_TAR}{suffix}": f"{_TAR}{suffix}" for suffix in ("", "+gzip", "+zstd")} | {
    _DOCKER_TAR: _TAR,
    f"{_DOCKER_TAR}.gzip": LAYER,
    f"{_DOCKER_TAR}.zstd": f"{_TAR}+zstd",
}
"""Media types of layers, to the ones that OCI has for the same bytes, as `skopeo copy --format oci` converts them."""
_FOREIGN = (
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
)
MAX_LABEL = 4096
"""Bytes of a label's name and value together; Engines and registries cut or refuse longer ones."""


class BaseLayer(msgspec.Struct, frozen=True, kw_only=True):
    """A layer of a base image, carried on verbatim."""

    descriptor: Descriptor
    """With OCI's media type; digest and size are the base's."""
    diff_id: str
    """``sha256:<hex>`` of the plain archive."""


class BaseDocuments(msgspec.Struct, frozen=True, kw_only=True):
    """One platform of a base image, as its manifest and configuration describe it."""

    reference: Reference
    """Where manifest and layers are, by the digest of the manifest."""
    layers: tuple[BaseLayer, ...]
    """From the lowest to the highest."""
    config: Config


def read_base(reference: Reference, manifest: Manifest, config: Config) -> BaseDocuments:
    """Return what an image carries on of a base; both documents are verified already.

    Raises UsageError: `foreign-layer` (image-spec 1.1, layer.md, non-distributable layers), `unknown-layer`,
    `label-too-long`; IntegrityError (`bad-image`) where the documents disagree.
    """
    where = str(reference)
    check_layers(config, len(manifest.layers), where)
    check_labels(config.labels, where)
    pairs = zip(manifest.layers, config.rootfs.diff_ids, strict=True)
    layers = tuple(BaseLayer(descriptor=_carried(layer, where), diff_id=diff_id) for layer, diff_id in pairs)
    return BaseDocuments(reference=reference, layers=layers, config=config)


def check_labels(labels: Mapping[str, str], where: str) -> None:
    """Raise UsageError (`label-too-long`) for a label of more than `MAX_LABEL` bytes, the first by name."""
    for name, value in sorted(labels.items()):
        size = len(name.encode()) + len(value.encode())
        if size > MAX_LABEL:
            raise UsageError(
                "label-too-long",
                f"The label {name[:80]!r} is too long.",
                where=where,
                expected=f"at most {MAX_LABEL} bytes, name and value together",
                found=f"{size} bytes",
                hint="Make the base without this label (`docker build --label` sets it anew), or choose another base.",
            )


def _carried(layer: Descriptor, where: str) -> Descriptor:
    """Return the descriptor of a layer as ours; nothing but type, digest and size is carried on."""
    if layer.urls or layer.media_type.startswith(_FOREIGN):
        _refuse(
            "foreign-layer",
            layer,
            where,
            "A layer of the base is foreign: it may not be kept in registries, and is not in the image.",
            "Choose a base whose layers may be distributed, or push it again with them: "
            "dockerd's `allow-nondistributable-artifacts`.",
        )
    media_type = _CARRIED.get(layer.media_type)
    if media_type is None:
        _refuse(
            "unknown-layer",
            layer,
            where,
            "A layer of the base is no archive of files that envlock knows.",
            "Name the image itself, not an artifact beside it; have encrypted layers decrypted first.",
        )
    return Descriptor(media_type=media_type, digest=layer.digest, size=layer.size)


def _refuse(reference: str, layer: Descriptor, where: str, what: str, hint: str) -> NoReturn:
    raise UsageError(
        reference,
        what,
        where=f"{where}, layer {layer.digest[:19]}",
        expected="a tar archive, plain or compressed with gzip or zstd",
        found=layer.media_type or "no media type",
        hint=hint,
    )
