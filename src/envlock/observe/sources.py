"""Where one image of one platform is read from: an OCI layout folder, or a repository of a registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import msgspec

from envlock.errors import UnverifiableError, UsageError
from envlock.formats.blob import checked, small
from envlock.formats.oci import (
    CONFIG,
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    INDEX,
    MANIFEST,
    REF_NAME,
    Config,
    Descriptor,
    Layout,
    Manifest,
    check_layers,
    parse_config,
    parse_index,
    parse_manifest,
)
from envlock.model.edges import Registry
from envlock.model.platform import Platform
from envlock.model.reference import Reference

_CONFIGS = (CONFIG, "application/vnd.docker.container.image.v1+json")
_DEEPEST, _MOST = 4, 64
"""Indexes in indexes, and documents of one image: more are no image's."""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a blob shows without being read."""

    problem: str = ""
    missing: bool = False


class ImageSource(Protocol):
    """The documents and layers of one image. Safe to use from several threads."""

    descriptor: Descriptor
    """Of its manifest, as what lists it says."""

    def blob(self, descriptor: Descriptor) -> bytes:
        """Return a document, checked; IntegrityError (`digest-mismatch`, `bad-image`, `blob-missing`)."""

    def chunks(self, blob: Descriptor) -> Iterator[bytes]:
        """Yield a layer, no more of it than its size and a little; its digest is the reader's to check.

        Raises IntegrityError or UnverifiableError where it is not there.
        """

    def look(self, blob: Descriptor) -> Look:
        """Tell what can be told of a layer at no cost."""


Find = Callable[[], ImageSource]
"""Finds an image; UsageError where there is none, IntegrityError where its documents contradict their digests."""


def manifest_of(source: ImageSource) -> Manifest:
    """Return the manifest of an image; IntegrityError (`bad-image`)."""
    return parse_manifest(source.blob(source.descriptor), source.descriptor.digest)


def config_of(source: ImageSource, manifest: Manifest) -> Config:
    """Return its configuration, which has one diff ID for each layer.

    Raises UsageError (`no-image`) for what is something else than an image, IntegrityError (`bad-image`).
    """
    if manifest.config.media_type not in _CONFIGS:
        raise UsageError(
            "no-image",
            "This names no image, but something else.",
            where=source.descriptor.digest,
            expected=CONFIG,
            found=manifest.artifact_type or manifest.config.media_type,
        )
    config = parse_config(source.blob(manifest.config), manifest.config.digest)
    check_layers(config, len(manifest.layers), source.descriptor.digest)
    return config


class LayoutImage:
    """An image of a layout folder: of the first of `platforms` that it has, else whatever it has.

    Where several are there, the first of `tags` that one of them has says which.
    Raises UsageError (`no-layout`, `no-image`, `several-images`).
    """

    def __init__(self, layout: Layout, platforms: Sequence[Platform], tags: Sequence[str]) -> None:
        self._layout = layout
        self.descriptor = self._choose(platforms, tags)

    def blob(self, descriptor: Descriptor) -> bytes:
        """Read a file of the folder."""
        return self._layout.blob(descriptor)

    def chunks(self, blob: Descriptor) -> Iterator[bytes]:
        """Read a file in pieces of at most 64 KiB."""
        return self._layout.chunks(blob)

    def look(self, blob: Descriptor) -> Look:
        """Compare the size of the file."""
        try:
            size = self._layout.blob_path(blob.digest).stat().st_size
        except OSError as error:
            return Look(problem=f"not in the layout ({error.strerror})", missing=True)
        return Look(problem=f"{size} bytes" if size != blob.size else "")

    def _choose(self, platforms: Sequence[Platform], tags: Sequence[str]) -> Descriptor:
        layout = self._layout
        names = {top.annotations.get(REF_NAME, "") for top in layout.top().manifests}
        tag = next((tag for tag in tags if tag in names), "")
        for platform in platforms:
            try:
                return layout.image(platform, tag)
            except UsageError as error:
                if error.reference == "several-images":
                    error.hint = f"Say which one: --image oci:{layout.root}:TAG"
                if error.reference != "no-platform":
                    raise
        first = next(iter(layout.manifests()), None)
        if first is None:
            raise UsageError(
                "no-image",
                "The layout names no image.",
                where=str(layout.root),
                hint="Build one: envlock build -o oci:DIR",
            )
        return first[0]


class RegistryImage:
    """An image of a repository: of the first of `platforms` that its index lists, else the first one that it lists.

    Nothing but documents is fetched until a layer is read; no layer is kept.
    Raises UsageError (`no-image`, `several-images`, and what reaching the registry raises), IntegrityError
    (`digest-mismatch`).
    """

    def __init__(self, registry: Registry, reference: Reference, platforms: Sequence[Platform]) -> None:
        self._registry = registry
        self._repository = reference
        raw, media_type, digest = registry.manifest(reference)
        self.top = Descriptor(media_type=media_type, digest=digest, size=len(raw))
        """What the reference names: an index or a manifest."""
        self._documents = {digest: raw}
        offered = tuple(self._below(self.top, 0))
        self.descriptor = _of_first(platforms, offered, str(reference)) or next(iter(offered), self.top)
        if not offered:
            raise UsageError("no-image", "This index lists no image.", where=str(reference), found=digest)

    def blob(self, descriptor: Descriptor) -> bytes:
        """Fetch a document, once."""
        raw = self._documents.get(descriptor.digest)
        reference = self._repository.at(descriptor.digest)
        if raw is None:
            chunks = (
                [self._registry.manifest(reference)[0]]
                if descriptor.media_type in (INDEX, DOCKER_INDEX, MANIFEST, DOCKER_MANIFEST)
                else self._registry.blob(reference, descriptor.digest)
            )
            raw = small(chunks, descriptor.size, where=str(reference), digest=descriptor.digest)
            self._documents[descriptor.digest] = raw
        elif len(raw) != descriptor.size:
            list(checked([raw], descriptor.size, where=str(reference)))
        return raw

    def chunks(self, blob: Descriptor) -> Iterator[bytes]:
        """Stream a layer from the registry."""
        reference = self._repository.at(blob.digest)
        try:
            yield from checked(self._registry.blob(reference, blob.digest), blob.size, where=str(reference))
        except UsageError as error:
            if error.reference != "no-blob":
                raise
            raise UnverifiableError("blob-missing", "not in the registry", where=str(reference)) from None

    def look(self, blob: Descriptor) -> Look:  # noqa: ARG002
        """Tell nothing: to ask the registry for each layer would take a request each."""
        return Look()

    def _below(self, descriptor: Descriptor, depth: int) -> Iterator[Descriptor]:
        """Yield the manifests of images that a descriptor names."""
        if descriptor.media_type in (MANIFEST, DOCKER_MANIFEST):
            # What BuildKit lists beside the images (attestation storage) is of an unknown system.
            system = descriptor.platform.os if descriptor.platform else ""
            if descriptor.artifact_type is None and system != "unknown":
                yield descriptor
        elif descriptor.media_type in (INDEX, DOCKER_INDEX) and depth < _DEEPEST and len(self._documents) < _MOST:
            for child in parse_index(self.blob(descriptor), descriptor.digest).manifests:
                yield from self._below(child, depth + 1)


def _of_first(platforms: Sequence[Platform], offered: Sequence[Descriptor], where: str) -> Descriptor | None:
    """Return the only one of the first platform that is there: of several each Engine takes another, by variant."""
    for platform in platforms:
        fitting = {
            descriptor.digest: descriptor
            for descriptor in offered
            if (said := descriptor.platform) is not None
            and (said.os, said.architecture) == (platform.os, platform.architecture)
        }
        if len(fitting) > 1:
            raise UsageError(
                "several-images",
                f"This index lists several images for {platform}.",
                where=where,
                expected="one",
                found=", ".join(fitting),
                hint="Say which one: --image HOST/NAME@sha256:DIGEST",
            )
        if fitting:
            return next(iter(fitting.values()))
    return None
