"""Puts the project's files above an environment image: one layer, and documents that name it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from envlock.formats.oci import CONFIG, INDEX, MANIFEST, canonical_json, describe
from envlock.formats.project import LABEL_SOURCE, ProjectLayer, with_project
from envlock.formats.tar import Entry
from envlock.image.layer import Layer, LayerWriter
from envlock.image.oci import CREATED, Blob, Image, PlatformImage
from envlock.image.project_tree import Tree
from envlock.model import records
from envlock.model.edges import Task

DEFAULT_WORKDIR = "/app"


def write_project_layer(path: Path, tree: Tree, destination: str, *, progress: Task | None = None) -> Layer:
    """Write the layer that has a project's files at an absolute path of the image.

    Sorted by UTF-8 bytes, folders first and only from the destination on; uid and gid 0, one time for all.
    Raises UsageError (`project-changed`, `write-failed`).
    """
    top = destination.lstrip("/")
    files = {posixpath.join(top, file.path): file for file in tree.files}
    entries = {folder: Entry(path=folder, kind="dir", mode=0o755) for folder in _folders(files, top)}
    for place, file in files.items():
        entries[place] = (
            Entry(path=place, kind="symlink", mode=0o777, link=file.link)
            if file.mode == "link"
            else Entry(path=place, kind="file", mode=int(file.mode, 8), size=file.size)
        )
    with LayerWriter(path, progress=progress) as writer:
        for place in sorted(entries, key=str.encode):
            entry = entries[place]
            if entry.kind == "file":
                writer.compressed(entry, tree.body(files[place]))
            else:
                writer.add(entry)
        return writer.finish()


def _folders(paths: Iterable[str], top: str) -> set[str]:
    """Return every folder of these paths, the topmost being `top`: what is above it belongs to the base."""
    folders = {top}
    for path in paths:
        while (path := posixpath.dirname(path)) not in folders:
            folders.add(path)
    return folders


def layered(image: Image, layer: Layer, blob: Path, *, destination: str, source: str, files: int) -> Image:
    """Return an environment image with the project's layer above it, on every platform.

    `source` is the tree digest, `blob` the layer's file, `files` how many of the project's are in it.
    """
    comment = f"project, {files} file{'s' if files != 1 else ''}"
    project = project_layer(layer, destination=destination, source=source, comment=comment)
    platforms = tuple(_layered(platform, layer, project) for platform in image.platforms)
    index: dict[str, Any] = records.from_json(image.index.raw, dict[str, Any])
    index["manifests"] = [msgspec.to_builtins(platform.manifest.descriptor) for platform in platforms]
    index["annotations"] = index.get("annotations", {}) | {LABEL_SOURCE: project.source}
    raw = canonical_json(index)
    return msgspec.structs.replace(
        image,
        index=Blob(descriptor=describe(raw, INDEX), raw=raw),
        platforms=platforms,
        files={**image.files, layer.digest: blob},
        source=source,
    )


def project_layer(layer: Layer, *, destination: str, source: str, comment: str) -> ProjectLayer:
    """Return a layer of project files as documents speak of it; `comment` is that of its history."""
    return ProjectLayer(
        digest=layer.digest,
        diff_id=layer.diff_id,
        size=layer.size,
        destination=destination,
        source=f"sha256:{source}",
        history={"created": CREATED, "created_by": "envlock build", "comment": comment},
    )


def _layered(platform: PlatformImage, layer: Layer, project: ProjectLayer) -> PlatformImage:
    manifest, config = with_project(platform.manifest.raw, platform.config.raw, project)
    before = platform.manifest.descriptor
    annotations = before.annotations | {LABEL_SOURCE: project.source}
    return PlatformImage(
        platform=platform.platform,
        layers=(*platform.layers, layer),
        config=Blob(descriptor=describe(config, CONFIG), raw=config),
        manifest=Blob(
            descriptor=describe(manifest, MANIFEST, platform=before.platform, annotations=annotations), raw=manifest
        ),
    )
