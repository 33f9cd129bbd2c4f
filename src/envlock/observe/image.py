"""Observes an image in an OCI layout by its documents, its lock layer and its project layer.

Nothing is run or unpacked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from envlock.errors import IntegrityError, UnverifiableError, UsageError
from envlock.formats.layer_reader import read_layer
from envlock.formats.oci import REF_NAME, Config, Descriptor, Layout, Manifest
from envlock.formats.project import LABEL_SOURCE
from envlock.model.edges import Progress
from envlock.model.observation import ImageFact, LayerFact, Observation, ProjectFact, Unknown
from envlock.model.platform import Platform
from envlock.observe.project import observe_project

_LOCK_PATH = re.compile(r"opt/envlock/pylock\.[^./]+\.toml")
_LOCK_LAYER = 64 << 20
"""Largest blob that is looked into for a lock: a lock of a thousand packages has some MiB."""


def observe_image(
    folder: Path,
    *,
    name: str,
    platforms: tuple[Platform, ...],
    full: bool,
    progress: Progress,
    tags: Sequence[str] = (),
) -> Observation:
    """Look at the image of a layout folder, for the first of `platforms` that it has, else for whatever it has.

    Where the layout holds several images, the first of `tags` that one of them has says which.

    Quick: manifest, config, the sizes of blobs, the lock layer and a project layer. `full` reads every layer.
    Raises UsageError (`no-layout`, `no-image`). What contradicts itself in the image is part of the observation.
    """
    layout = Layout(folder)
    try:
        descriptor = _choose(layout, platforms, tags)
        manifest = layout.manifest(descriptor)
        config = layout.config(manifest)
    except IntegrityError as error:
        why = f"{error.what} {f'found {error.found}' if error.found else ''}".strip()
        return Observation(target=name, full=full, environment=None, image=_broken(name, why))
    platform = _platform(config)
    layers = tuple(
        _look(layout, blob, diff_id) for blob, diff_id in zip(manifest.layers, config.rootfs.diff_ids, strict=True)
    )
    lock, project, problem = _top_of(layout, descriptor, manifest, config, layers, full=full)
    if problem:
        layers = (*layers[:-1], msgspec.structs.replace(layers[-1], problem=problem))
    environment = None
    if full:
        from envlock.observe.layers import read_image_files

        layers, environment = read_image_files(layout, manifest, config, layers, progress)
    return Observation(
        target=name,
        full=full,
        environment=environment,
        image=ImageFact(
            reference=name,
            platform=platform,
            digest=descriptor.digest.removeprefix("sha256:"),
            labels=config.labels,
            layers=layers,
            lock=lock,
            project=project,
            contradictions=tuple(_contradictions(descriptor, config)),
        ),
    )


def _choose(layout: Layout, platforms: tuple[Platform, ...], tags: Sequence[str]) -> Descriptor:
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
            "no-image", "The layout names no image.", where=str(layout.root), hint="Build one: envlock build -o oci:DIR"
        )
    return first[0]


def _platform(config: Config) -> Platform | None:
    try:
        return Platform.parse(f"{config.os}/{config.architecture}")
    except UsageError:
        return None


def _look(layout: Layout, blob: Descriptor, diff_id: str) -> LayerFact:
    """Return a layer by its size alone."""
    problem = ""
    missing = False
    try:
        size = layout.blob_path(blob.digest).stat().st_size
        if size != blob.size:
            problem = f"{size} bytes"
    except OSError as error:
        missing, problem = True, f"not in the layout ({error.strerror})"
    return LayerFact(
        digest=blob.digest.removeprefix("sha256:"),
        size=blob.size,
        diff_id=diff_id.removeprefix("sha256:"),
        problem=problem,
        missing=missing,
    )


def _top_of(
    layout: Layout,
    descriptor: Descriptor,
    manifest: Manifest,
    config: Config,
    layers: tuple[LayerFact, ...],
    *,
    full: bool,
) -> tuple[bytes | Unknown | None, ProjectFact | None, str]:
    """Return the lock, the project files above it where there are any, and what is wrong with those."""
    rows = list(zip(manifest.layers, layers, strict=True))
    if LABEL_SOURCE in config.labels and len(rows) > 1:
        lock = _lock_of(layout, *rows[-2])
        if lock is not None:
            limit = rows[-1][0].size if full else _LOCK_LAYER
            return lock, *observe_project(layout, descriptor, manifest, config, rows[-1][1], limit)
    return _lock_of(layout, *rows[-1]) if rows else None, None, ""


def _lock_of(layout: Layout, blob: Descriptor, fact: LayerFact) -> bytes | Unknown | None:
    """Return the lock in a layer, whose bytes are checked against the manifest's digest."""
    if fact.missing:
        return Unknown(reason="the layer of its lock is not in the layout")
    if blob.size > _LOCK_LAYER:
        return None
    found: list[bytes] = []
    try:
        entries = read_layer(
            layout.chunks(blob), where=blob.digest, digest=blob.digest, diff_id=f"sha256:{fact.diff_id}"
        )
        for entry, body in entries:
            if entry.kind == "file" and _LOCK_PATH.fullmatch(entry.path) and entry.size <= _LOCK_LAYER:
                found.append(b"".join(body))
            elif entry.kind != "dir":
                return None  # a layer of an ordinary image
    except (IntegrityError, UnverifiableError) as error:
        # Only where a lock was found it is known to be our layer; else full mode says what is wrong with it.
        return Unknown(reason=error.what) if found else None
    return found[0] if len(found) == 1 else None


def _contradictions(descriptor: Descriptor, config: Config) -> Iterator[str]:
    said = descriptor.platform
    if said is not None and (said.os, said.architecture) != (config.os, config.architecture):
        yield f"the index says {said.os}/{said.architecture}, the config {config.os}/{config.architecture}"


def _broken(name: str, why: str) -> ImageFact:
    return ImageFact(
        reference=name,
        platform=None,
        digest="",
        labels={},
        layers=(),
        lock=Unknown(reason="the image's documents cannot be read"),
        contradictions=(why,),
    )
