"""The project image: an environment image with one layer of the project's own files above it.

`project_image(image, include=…, workdir=…, folder=…, layers=…)` returns the image to write or push: `image` itself
where nothing is included. Only the documents of `image` are used, so its layers may be elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from envlock.formats.oci import canonical_json
from envlock.image.layer import Layer
from envlock.image.layer_cache import LayerCache
from envlock.image.oci import Image
from envlock.image.project import DEFAULT_WORKDIR, layered, write_project_layer
from envlock.image.project_tree import Tree, collect, secrets
from envlock.model.edges import NoProgress, Progress
from envlock.model.lock import LAYER_SPEC

_LARGE = 100_000_000
_NAMED = 5


def project_image(
    image: Image,
    *,
    include: Sequence[str],
    workdir: str | None,
    folder: Path,
    layers: Path,
    progress: Progress | None = None,
    warn: Callable[[str], None] = lambda _: None,
    rebuild: bool = False,
) -> Image:
    """Return an environment image with the included project files in its working folder, tagged by lock and tree.

    Args:
        image: of the lock. The blobs of its layers need not be on this machine.
        include: `ImageTable.include`; nothing is added where it is empty.
        workdir: `ImageConfig.workdir` of the lock; /app where it is None.
        folder: the manifest's, which `include` is relative to and `.dockerignore` stands in.
        layers: the layer cache, `artifacts.folder("layers")`.
        warn: told of files that look like secrets, and of very large inclusions.
        rebuild: use no layer of the cache.

    Raises UsageError (`nothing-included`, `bad-project-file`, `project-changed`, `bad-dockerignore`, `write-failed`).
    """
    if not include:
        return image
    shown = progress or NoProgress()
    tree = collect(folder, include, progress=shown)
    _warn(tree, warn)
    destination = workdir or DEFAULT_WORKDIR
    source = tree.digest(destination)
    cache = LayerCache(layers)
    key = hashlib.sha256(canonical_json({"spec": LAYER_SPEC, "kind": "project", "tree": source})).hexdigest()
    with shown.task("project files", tree.size or None, unit="bytes") as task, cache.held(key, task):
        layer: Layer | None = None if rebuild else cache.known(key)
        if layer is None or not cache.is_whole(key, layer):
            cache.drop(key)
            layer = write_project_layer(cache.blob(key), tree, destination, progress=task)
            cache.keep(key, layer)
    return layered(image, layer, cache.blob(key), destination=destination, source=source, files=len(tree.files))


def _warn(tree: Tree, warn: Callable[[str], None]) -> None:
    found = secrets(tree)
    if found:
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        warn(
            f"the project image holds what looks like a secret: {', '.join(found[:_NAMED])}{more}; "
            "everybody who has the image can read it: leave it out with .dockerignore"
        )
    if tree.size > _LARGE:
        largest = max(tree.files, key=lambda file: (file.size, file.path))
        warn(
            f"the project files have {tree.size / 1e6:.0f} MB, which every change of one of them sends again "
            f"(largest: {largest.path}, {largest.size / 1e6:.0f} MB); leave data out with .dockerignore"
        )
