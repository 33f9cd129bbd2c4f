"""The documents of an image: configuration, manifest and index as canonical bytes, pure functions of the lock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from envlock.formats.base_documents import BaseDocuments
from envlock.formats.oci import (
    CONFIG,
    INDEX,
    MANIFEST,
    Config,
    Descriptor,
    Execution,
    History,
    Index,
    Manifest,
    OciPlatform,
    RootFs,
    canonical_json,
    describe,
)
from envlock.image.install import PREFIX
from envlock.image.layer import Layer
from envlock.image.plan import image_of
from envlock.model.lock import Lock, LockFile
from envlock.model.platform import Platform

CREATED = "1980-01-01T00:00:00Z"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What Engines set where a configuration names no PATH."""
_NOT_INHERITED = ("PYTHONHOME", "PYTHONPATH")
"""Variables of a base that would put other modules before the locked ones."""
LABEL_LOCK = "dev.envlock.lock.digest"
LABEL_ENV = "dev.envlock.env"
LABEL_SPEC = "dev.envlock.spec"
BASE_NAME = "org.opencontainers.image.base.name"
BASE_DIGEST = "org.opencontainers.image.base.digest"


class Blob(msgspec.Struct, frozen=True, kw_only=True):
    """A document at hand, and its descriptor."""

    descriptor: Descriptor
    raw: bytes


class PlatformImage(msgspec.Struct, frozen=True, kw_only=True):
    """The image of one platform: everything but the layers' bytes."""

    platform: Platform
    layers: tuple[Layer, ...]
    config: Blob
    manifest: Blob

    @property
    def image_id(self) -> str:
        """What Docker's graph drivers call the image: the digest of its configuration."""
        return self.config.descriptor.digest


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """A finished image of one or several platforms, with the files of those layers that are on this machine."""

    lock_digest: str
    """64 hex digits."""
    index: Blob
    platforms: tuple[PlatformImage, ...]
    """Sorted by platform."""
    files: dict[str, Path]
    """Digest of each layer to its blob, verified; without those that are elsewhere, and were not needed here."""

    source: str | None = None
    """Of a project image: the digest of the project's files, 64 hex digits."""

    @property
    def tag(self) -> str:
        """The tag that belongs to this lock alone, or to this lock and these project files."""
        if self.source is not None:
            return f"lock-{self.lock_digest[:16]}-src-{self.source[:16]}"
        return f"lock-{self.lock_digest[:32]}"

    def of(self, platform: Platform) -> PlatformImage:
        """Return the image of one platform; KeyError where it was not built."""
        return {image.platform: image for image in self.platforms}[platform]


def layer_descriptor(layer: Layer) -> Descriptor:
    """Return the descriptor of a layer."""
    return Descriptor(media_type=layer.media_type, digest=layer.digest, size=layer.size)


def platform_image(
    lock_file: LockFile,
    platform: Platform,
    layers: Sequence[Layer],
    titles: Sequence[str],
    base: BaseDocuments | None = None,
) -> PlatformImage:
    """Return the documents of one platform; `titles` say in the history what each layer is.

    Of a base from a registry (`base`, whose layers are the lowest of `layers`), its history and what its configuration
    sets are carried on.
    """
    labels = annotations_of(lock_file)
    config = blob_of(
        CONFIG,
        Config(
            architecture=platform.architecture,
            os=platform.os,
            created=CREATED,
            config=_execution(lock_file.lock, labels, base.config if base else None),
            rootfs=RootFs(type="layers", diff_ids=tuple(layer.diff_id for layer in layers)),
            history=_history(titles, base),
        ),
    )
    annotations = labels | _base_annotations(lock_file.lock, base.reference.digest if base else None)
    manifest = blob_of(
        MANIFEST,
        Manifest(
            schema_version=2,
            media_type=MANIFEST,
            config=config.descriptor,
            layers=tuple(layer_descriptor(layer) for layer in layers),
            annotations=annotations,
        ),
        platform=OciPlatform(architecture=platform.architecture, os=platform.os),
        annotations=labels,
    )
    return PlatformImage(platform=platform, layers=tuple(layers), config=config, manifest=manifest)


def image_index(lock_file: LockFile, images: Sequence[PlatformImage]) -> Blob:
    """Return the index of all platforms, one manifest each, sorted by platform."""
    ordered = sorted(images, key=lambda image: image.platform)
    index = Index(
        schema_version=2,
        media_type=INDEX,
        manifests=tuple(image.manifest.descriptor for image in ordered),
        annotations=annotations_of(lock_file) | _base_annotations(lock_file.lock, _locked_digest(lock_file.lock)),
    )
    return blob_of(INDEX, index)


def annotations_of(lock_file: LockFile) -> dict[str, str]:
    """Return the labels, which are the annotations too: which lock this is an image of."""
    return {
        LABEL_LOCK: f"sha256:{lock_file.digest}",
        LABEL_ENV: lock_file.lock.env,
        LABEL_SPEC: str(lock_file.lock.layer_spec),
    }


def _locked_digest(lock: Lock) -> str | None:
    """Return the digest that the reference of a base named when it was locked: of its index, where it has one."""
    image = lock.base.image if lock.base else None
    return (image.index or image.manifests[0].digest) if image else None


def _base_annotations(lock: Lock, digest: str | None) -> dict[str, str]:
    """Return what tools that look for newer bases read (image-spec 1.1, annotations.md)."""
    image = lock.base.image if lock.base else None
    return {BASE_NAME: image.reference, BASE_DIGEST: digest} if image and digest else {}


def _history(titles: Sequence[str], base: BaseDocuments | None) -> tuple[History, ...]:
    """Return an entry for each layer, those of the base as its configuration has them.

    A history that does not speak of every layer of the base once is of no use (config.md, history): then the titles
    stand for it.
    """
    below = len(base.layers) if base else 0
    known = (base.config.history if base else None) or ()
    if base is not None and sum(not entry.empty_layer for entry in known) == below:
        titles = titles[below:]
    else:
        known = ()
    return (*known, *(History(created=CREATED, created_by="envlock build", comment=title) for title in titles))


def _execution(lock: Lock, labels: Mapping[str, str], base: Config | None) -> Execution:
    """Return what containers start with.

    An entrypoint of the base is not inherited: it would get our command, which is no argument of whatever the base
    serves; nor is its command, which is not the environment's Python.
    """
    _, config = image_of(lock)
    below = (base.config if base else None) or Execution()
    # What is no assignment, Engines leave out.
    inherited = dict(line.partition("=")[::2] for line in below.env or () if "=" in line)
    path = f"/{PREFIX}/bin:{inherited.get('PATH') or _PATH}"
    kept = {name: value for name, value in inherited.items() if name and name not in _NOT_INHERITED}
    own = {"LANG": "C.UTF-8"} | kept | {"PATH": path, "VIRTUAL_ENV": f"/{PREFIX}"}
    variables = own | config.env | lock.settings.variables
    return Execution(
        env=tuple(f"{name}={value}" for name, value in sorted(variables.items())),
        entrypoint=config.entrypoint or None,
        cmd=config.cmd or (None if config.entrypoint else ("python",)),
        labels={**(below.labels or {}), **labels},
        working_dir=config.workdir or below.working_dir or None,
        user=config.user or below.user or None,
        exposed_ports=below.exposed_ports or None,
        volumes=below.volumes or None,
        stop_signal=below.stop_signal or None,
    )


def blob_of(media_type: str, document: object, **more: object) -> Blob:
    """Return a document in canonical JSON with its descriptor, which `more` says more of."""
    raw = canonical_json(document)
    return Blob(descriptor=describe(raw, media_type, **more), raw=raw)
