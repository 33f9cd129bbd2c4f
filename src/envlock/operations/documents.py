"""The documents of one image and what refers to it, wherever they are: in a registry, or in an OCI layout."""

from __future__ import annotations

from typing import Protocol

from envlock.formats.blob import refuse_large, small
from envlock.formats.oci import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    INDEX,
    MANIFEST,
    Config,
    Descriptor,
    Index,
    Layout,
    Manifest,
    parse_config,
    parse_index,
    parse_manifest,
)
from envlock.model.edges import Registry
from envlock.model.reference import Reference


class Documents(Protocol):
    """Where documents are read from; every byte is checked against the digest that is asked for."""

    def raw(self, descriptor: Descriptor) -> bytes:
        """Return a manifest, index or small blob; IntegrityError (`digest-mismatch`, `bad-image`)."""

    def referrers(self, subject: str) -> tuple[Descriptor, ...]:
        """Return the manifests that say they are about a digest; whether they are is not checked."""


class RegistryDocuments:
    """Documents in a repository of a registry."""

    def __init__(self, registry: Registry, repository: Reference) -> None:
        self._registry = registry
        self._repository = repository

    def raw(self, descriptor: Descriptor) -> bytes:
        """Ask for manifests and indexes as such, for everything else as a blob."""
        reference = self._repository.at(descriptor.digest)
        refuse_large(descriptor.size, str(reference))
        is_manifest = is_index(descriptor.media_type) or is_image_manifest(descriptor.media_type)
        chunks = (
            (self._registry.manifest(reference)[0],)
            if is_manifest
            else self._registry.blob(reference, descriptor.digest)
        )
        return small(chunks, descriptor.size, where=str(reference), digest=descriptor.digest)

    def referrers(self, subject: str) -> tuple[Descriptor, ...]:
        """Ask the referrers API, or its fallback tag."""
        reference = self._repository.at(subject)
        return parse_index(self._registry.referrers(reference), f"the referrers of {reference}").manifests


class LayoutDocuments:
    """Documents in an OCI layout folder."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def raw(self, descriptor: Descriptor) -> bytes:
        """Read a blob, which manifests are here too."""
        return self._layout.blob(descriptor)

    def referrers(self, subject: str) -> tuple[Descriptor, ...]:
        """Look at every manifest that index.json lists (image-layout.md: a layout has no other list of them)."""
        found = []
        for descriptor in self._layout.top().manifests:
            if descriptor.media_type == MANIFEST:
                manifest = manifest_of(self, descriptor)
                if manifest.subject is not None and manifest.subject.digest == subject:
                    found.append(descriptor)
        return tuple(found)


def is_index(media_type: str) -> bool:
    """Tell a list of manifests."""
    return media_type in (INDEX, DOCKER_INDEX)


def is_image_manifest(media_type: str) -> bool:
    """Tell the manifest of one platform, or of an artifact, from an index."""
    return media_type in (MANIFEST, DOCKER_MANIFEST)


def index_of(documents: Documents, descriptor: Descriptor) -> Index:
    """Return an index; IntegrityError (`bad-image`)."""
    return parse_index(documents.raw(descriptor), descriptor.digest)


def manifest_of(documents: Documents, descriptor: Descriptor) -> Manifest:
    """Return a manifest; IntegrityError (`bad-image`)."""
    return parse_manifest(documents.raw(descriptor), descriptor.digest)


def config_of(documents: Documents, manifest: Manifest) -> Config:
    """Return the configuration of an image; IntegrityError (`bad-image`)."""
    return parse_config(documents.raw(manifest.config), manifest.config.digest)
