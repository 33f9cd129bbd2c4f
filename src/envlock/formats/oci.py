"""OCI images as JSON (image-spec 1.1): canonical writing, validated reading, and the layout folder they stand in."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from envlock.errors import IntegrityError, UsageError
from envlock.formats.blob import checked, small
from envlock.model import records
from envlock.model.platform import Platform

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

REF_NAME = "org.opencontainers.image.ref.name"
LAYOUT_VERSION = b'{"imageLayoutVersion":"1.0.0"}'

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_READ = 1 << 16


class OciPlatform(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """image-index.md, platform."""

    architecture: str
    os: str
    variant: str | None = None


class Descriptor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A blob by its digest (descriptor.md)."""

    media_type: str
    digest: str
    size: int
    annotations: dict[str, str] = {}
    platform: OciPlatform | None = None
    artifact_type: str | None = None
    """Of a referrer in an index of referrers."""
    urls: tuple[str, ...] = ()
    """Where a foreign (non-distributable) layer is kept instead of the registry."""

    def __post_init__(self) -> None:
        if not _DIGEST.fullmatch(self.digest) or self.size < 0:
            raise ValueError(f"{self.digest!r} of {self.size} bytes is not a sha256 descriptor")


class Index(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """An image index (image-index.md) or Docker's manifest list."""

    schema_version: Literal[2]
    media_type: str = ""
    manifests: tuple[Descriptor, ...]
    annotations: dict[str, str] = {}


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """An image manifest (manifest.md) of OCI or Docker."""

    schema_version: Literal[2]
    media_type: str = ""
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: dict[str, str] = {}
    artifact_type: str | None = None
    """Of what is no image, such as an attestation."""
    subject: Descriptor | None = None
    """The manifest that this one is about (a referrer)."""


class RootFs(msgspec.Struct, frozen=True, kw_only=True):
    """config.md, rootfs."""

    type: Literal["layers"]
    diff_ids: tuple[str, ...]


class History(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """config.md, history."""

    created: str | None = None
    created_by: str = ""
    comment: str = ""
    empty_layer: bool = False


class Execution(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="pascal"):
    """config.md, config: what containers start with. Images of others leave fields out or write null."""

    env: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    labels: dict[str, str] | None = None
    working_dir: str | None = None
    user: str | None = None
    exposed_ports: dict[str, dict[str, Any]] | None = None
    volumes: dict[str, dict[str, Any]] | None = None
    stop_signal: str | None = None


class Config(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An image configuration (config.md)."""

    architecture: str
    os: str
    rootfs: RootFs
    config: Execution | None = None
    created: str | None = None
    history: tuple[History, ...] | None = None

    @property
    def labels(self) -> dict[str, str]:
        """The labels, none where there is no table of them."""
        return (self.config.labels if self.config else None) or {}

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that it sets."""
        return dict(line.partition("=")[::2] for line in (self.config.env if self.config else None) or ())


_Document = TypeVar("_Document", bound=msgspec.Struct)


def canonical_json(value: object) -> bytes:
    """Return the one JSON text of a value: sorted keys, no spaces, UTF-8."""
    builtins: Any = msgspec.to_builtins(value)
    return json.dumps(builtins, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest_of(blob: bytes) -> str:
    """Return the digest that names a blob, ``sha256:<hex>``."""
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def describe(blob: bytes, media_type: str, **more: Any) -> Descriptor:
    """Return the descriptor of bytes at hand."""
    return Descriptor(media_type=media_type, digest=digest_of(blob), size=len(blob), **more)


def parse_index(raw: bytes, where: str) -> Index:
    """Parse an image index; IntegrityError (`bad-image`) where it is none."""
    return _only(_parse(raw, Index, where), (INDEX, DOCKER_INDEX), raw, where)


def parse_manifest(raw: bytes, where: str) -> Manifest:
    """Parse an image manifest; IntegrityError (`bad-image`) where it is none."""
    return _only(_parse(raw, Manifest, where), (MANIFEST, DOCKER_MANIFEST), raw, where)


def parse_config(raw: bytes, where: str) -> Config:
    """Parse an image configuration; IntegrityError (`bad-image`) where it is none."""
    return _parse(raw, Config, where)


def _parse(raw: bytes, kind: type[_Document], where: str) -> _Document:
    try:
        return records.from_json(raw, kind)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise IntegrityError(
            "bad-image", f"{kind.__name__} of an image cannot be read: {error}.", where=where
        ) from None


class _Both(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that tell an index from a manifest."""

    manifests: Any = None
    layers: Any = None
    config: Any = None


def _only(document: _Document, kinds: Sequence[str], raw: bytes, where: str) -> _Document:
    """Refuse what may be read as an index and as a manifest, under one digest (CVE-2021-41190, image-spec 1.1)."""
    fields = _parse(raw, _Both, where)
    both = fields.manifests is not None and (fields.layers is not None or fields.config is not None)
    said = getattr(document, "media_type", "")
    if both or (said and said not in kinds):
        raise IntegrityError(
            "bad-image",
            "A document of an image can be read as an index and as a manifest."
            if both
            else "A document of an image says that it is of another kind than it was named as.",
            where=where,
            expected=kinds[0],
            found=said,
        )
    return document


def check_layers(config: Config, layers: int, where: str) -> None:
    """Raise IntegrityError (`bad-image`) unless a configuration has one diff ID for each layer of its manifest."""
    found = len(config.rootfs.diff_ids)
    if found != layers:
        raise IntegrityError(
            "bad-image",
            "An image's configuration and manifest have different numbers of layers.",
            where=where,
            expected=f"{layers} layers",
            found=f"{found} diff IDs",
        )


class Layout:
    """An OCI layout folder that is read (image-layout.md). Every blob is checked against the digest that names it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def blob_path(self, digest: str) -> Path:
        """Return where a blob stands."""
        return self.root / "blobs" / digest.replace(":", "/")

    def top(self) -> Index:
        """Return index.json; UsageError (`no-layout`) where the folder is no layout."""
        try:
            version = json.loads((self.root / "oci-layout").read_bytes())["imageLayoutVersion"]
            raw = (self.root / "index.json").read_bytes()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(
                "no-layout",
                f"{self.root} is not an OCI layout.",
                expected="oci-layout, index.json and blobs/",
                found=getattr(error, "strerror", None) or "an oci-layout file that cannot be read",
                hint="Write one with `envlock build -o oci:DIR`.",
            ) from None
        if version != "1.0.0":
            raise UsageError("no-layout", f"{self.root} is an OCI layout of version {version}.", expected="1.0.0")
        try:
            return parse_index(raw, str(self.root / "index.json"))
        except IntegrityError as error:  # no digest names index.json: it is broken, and nothing is contradicted
            raise UsageError(
                "no-layout",
                f"{self.root} is not an OCI layout.",
                expected="an index.json that can be read",
                found=error.what,
                hint="Write it again with `envlock build -o oci:DIR`.",
            ) from None

    def blob(self, descriptor: Descriptor) -> bytes:
        """Return a small blob whole, checked; IntegrityError (`digest-mismatch`, `blob-missing`, `bad-image`)."""
        where = str(self.blob_path(descriptor.digest))
        return small(self.chunks(descriptor), descriptor.size, where=where, digest=descriptor.digest)

    def chunks(self, descriptor: Descriptor) -> Iterator[bytes]:
        """Yield a blob in pieces of at most 64 KiB, no more than its size and one byte; its digest is not checked."""
        path = self.blob_path(descriptor.digest)
        left = descriptor.size + 1
        try:
            with path.open("rb", buffering=0) as file:
                while left and (piece := file.read(min(_READ, left))):
                    left -= len(piece)
                    yield piece
        except FileNotFoundError:
            raise IntegrityError(
                "blob-missing", "The layout lacks a blob that its manifests name.", where=str(path)
            ) from None

    def verify(self, descriptor: Descriptor) -> None:
        """Hash a blob; IntegrityError (`digest-mismatch`, `blob-missing`) unless it is what its name says."""
        where = str(self.blob_path(descriptor.digest))
        for _ in checked(self.chunks(descriptor), descriptor.size, where=where, digest=descriptor.digest):
            pass

    def indexes(self, descriptor: Descriptor) -> Index:
        """Return an index that a descriptor names."""
        return parse_index(self.blob(descriptor), descriptor.digest)

    def manifest(self, descriptor: Descriptor) -> Manifest:
        """Return a manifest that a descriptor names."""
        return parse_manifest(self.blob(descriptor), descriptor.digest)

    def config(self, manifest: Manifest) -> Config:
        """Return the configuration of a manifest, which has one diff ID for each layer."""
        config = parse_config(self.blob(manifest.config), manifest.config.digest)
        check_layers(config, len(manifest.layers), str(self.root))
        return config

    def manifests(self) -> Iterator[tuple[Descriptor, Descriptor | None]]:
        """Yield (manifest of an image, index it is listed in or None), following indexes one in another."""
        for descriptor in self.top().manifests:
            yield from self._below(descriptor, None, depth=0)

    def _named(self) -> Iterator[tuple[str, Descriptor]]:
        for top in self.top().manifests:
            for descriptor, _ in self._below(top, None, depth=0):
                yield top.annotations.get(REF_NAME, ""), descriptor

    def _below(
        self, descriptor: Descriptor, index: Descriptor | None, depth: int
    ) -> Iterator[tuple[Descriptor, Descriptor | None]]:
        if descriptor.artifact_type is not None:
            return  # what refers to an image, such as its provenance
        if descriptor.media_type in (MANIFEST, DOCKER_MANIFEST):
            yield descriptor, index
        elif descriptor.media_type in (INDEX, DOCKER_INDEX) and depth < 4:
            for child in self.indexes(descriptor).manifests:
                yield from self._below(child, descriptor, depth + 1)

    def image(self, platform: Platform, tag: str = "") -> Descriptor:
        """Return the manifest of one platform, that of `tag` where several are there.

        UsageError: `no-platform` where the layout holds none, `several-images` where it is not clear which is meant.
        """
        offered: list[str] = []
        fitting: list[tuple[str, Descriptor]] = []
        for name, descriptor in self._named():
            found = descriptor.platform
            if found is None:
                config = self.config(self.manifest(descriptor))
                found = OciPlatform(os=config.os, architecture=config.architecture)
            if (found.os, found.architecture) == (platform.os, platform.architecture):
                fitting.append((name, descriptor))
            offered.append(f"{found.os}/{found.architecture}")
        chosen = [descriptor for name, descriptor in fitting if name == tag] or [d for _, d in fitting]
        if len({descriptor.digest for descriptor in chosen}) > 1:
            raise UsageError(
                "several-images",
                f"{self.root} holds several images for {platform}.",
                expected=f"one, or one tagged {tag}" if tag else "one",
                found=", ".join(sorted(f"{name or 'untagged'} {d.digest[:19]}" for name, d in fitting)),
                hint="Copy the one that is meant into a folder of its own: skopeo copy oci:DIR:TAG oci:OTHER:TAG",
            )
        if chosen:
            return chosen[0]
        raise UsageError(
            "no-platform",
            f"{self.root} holds no image for {platform}.",
            expected=str(platform),
            found=", ".join(offered) or "no image",
        )
