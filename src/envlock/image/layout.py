"""Writes an image to an OCI layout folder (image-layout.md), beside what other images are in it."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from envlock.errors import EnvlockError, IntegrityError, UsageError
from envlock.formats.beside import beside
from envlock.formats.oci import INDEX, LAYOUT_VERSION, REF_NAME, Descriptor, Index, Layout, canonical_json
from envlock.image.layer import Layer
from envlock.image.oci import Blob, Image, layer_descriptor
from envlock.model.edges import NoProgress, Progress


def write_layout(root: Path, image: Image, names: Sequence[str] = (), *, progress: Progress | None = None) -> None:
    """Write every blob that is not there yet, and last index.json, by a rename.

    Layers are hard links of the cache's blobs where the file system allows, else copies. `names` become the
    `org.opencontainers.image.ref.name` of the image's index; without any it is the tag of the lock. Other names that
    the layout holds stay. Raises UsageError (`no-layout`, `write-failed`).
    """
    names = sorted({*names}) or [image.tag]
    layers = {layer.digest: layer for platform in image.platforms for layer in platform.layers}
    try:
        prepare_layout(root)
        kept = others_in(root, names)
        with (progress or NoProgress()).task("Writing the image layout", len(layers)) as task:
            for layer in layers.values():
                _place_layer(root, layer, image.files[layer.digest])
                task.advance()
        for platform in image.platforms:
            _place_document(root, platform.config)
            _place_document(root, platform.manifest)
        _place_document(root, image.index)
        named = [msgspec.structs.replace(image.index.descriptor, annotations={REF_NAME: name}) for name in names]
        write_index(root, [*kept, *named])
    except OSError as error:
        raise UsageError(
            "write-failed",
            f"{root} cannot be written.",
            found=error.strerror or str(error),
            hint="Make room there, or choose another folder.",
        ) from error


def prepare_layout(root: Path) -> None:
    """Make the folders of a layout; UsageError (`no-layout`) where the folder holds something else."""
    if root.exists() and not (root / "oci-layout").exists():
        unknown = [path.name for path in root.iterdir() if path.name != "blobs"] if root.is_dir() else [root.name]
        if unknown:
            raise UsageError(
                "no-layout",
                f"{root} holds something else than an OCI layout.",
                expected="a new or empty folder, or an OCI layout",
                found=min(unknown),
                hint="Choose another folder.",
            )
    (root / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)


def write_index(root: Path, manifests: Sequence[Descriptor]) -> None:
    """Write index.json with these manifests, sorted by name, and the file that makes the folder a layout."""
    ordered = sorted(manifests, key=lambda row: (row.annotations.get(REF_NAME, ""), row.digest))
    _write(root / "oci-layout", LAYOUT_VERSION)
    _write(root / "index.json", canonical_json(Index(schema_version=2, media_type=INDEX, manifests=tuple(ordered))))


def others_in(root: Path, names: Sequence[str]) -> list[Descriptor]:
    """Return what stays in index.json: images under other names, and what refers to images (attestations)."""
    if not (root / "index.json").exists():
        return []
    try:
        manifests = Layout(root).top().manifests
    except EnvlockError:  # it is written anew, with what is known: this image
        return []
    return [row for row in manifests if row.artifact_type or row.annotations.get(REF_NAME, "") not in ("", *names)]


def _place_layer(root: Path, layer: Layer, source: Path) -> None:
    path = Layout(root).blob_path(layer.digest)
    with contextlib.suppress(FileNotFoundError):
        if path.samefile(source):
            return
    if _is_whole(root, layer_descriptor(layer)):
        return

    def fill(part: Path) -> None:
        part.unlink()
        try:
            os.link(source, part)
        except OSError:  # another file system, or one without hard links
            shutil.copyfile(source, part)

    beside(path, fill)


def _place_document(root: Path, blob: Blob) -> None:
    if not _is_whole(root, blob.descriptor):
        _write(Layout(root).blob_path(blob.descriptor.digest), blob.raw)


def _is_whole(root: Path, descriptor: Descriptor) -> bool:
    """Tell whether a blob is there and is what its name says."""
    try:
        Layout(root).verify(descriptor)
    except IntegrityError:
        return False
    return True


def _write(path: Path, raw: bytes) -> None:
    def fill(part: Path) -> None:
        part.write_bytes(raw)

    if not (path.exists() and path.read_bytes() == raw):
        beside(path, fill)
