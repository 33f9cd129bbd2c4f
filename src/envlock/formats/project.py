"""What a project layer adds to the documents of an environment image, and those documents without it.

A project image is proven by taking its layer away again: what is left has to be the environment image, by digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from envlock.formats.oci import CONFIG, LAYER, Descriptor, canonical_json, describe, digest_of
from envlock.model import records

LABEL_SOURCE = "dev.envlock.source.digest"
"""sha256 of the tree, see `tree_digest`."""
_SEPARATOR = "\x1f"
_IN_PLACE_OF = ", in place of WORKDIR "
"""In the layer's history, before the working folder that the environment image has of its base."""
_Json = dict[str, Any]


class ProjectLayer(msgspec.Struct, frozen=True, kw_only=True):
    """A layer of project files, as documents speak of it. Digests are written ``sha256:<hex>``."""

    digest: str
    diff_id: str
    size: int
    destination: str
    """Absolute path of the files, and the working folder of containers."""
    source: str
    """The tree's."""
    history: _Json
    """Its entry in the configuration's history."""


def tree_digest(rows: Iterable[tuple[str, str, str]], destination: str) -> str:
    """Return the sha256 over the lines ``path US mode US sha256 LF`` (US is U+001F), sorted, below their destination.

    `rows` are (path below the destination, `0644`, `0755` or `link`, sha256 of the bytes or of what the link says).
    """
    lines = sorted(f"{path}{_SEPARATOR}{mode}{_SEPARATOR}{sha256}\n".encode() for path, mode, sha256 in rows)
    return hashlib.sha256(f"{destination}\n".encode() + b"".join(lines)).hexdigest()


def with_project(manifest: bytes, config: bytes, layer: ProjectLayer) -> tuple[bytes, bytes]:
    """Return an environment image's manifest and configuration with a project layer on top, as canonical JSON.

    Nothing else of the documents is read or changed, whatever a base brought into them. The one value that is replaced,
    another working folder, is kept in the layer's history: nothing else may tell it.
    """
    labels = {LABEL_SOURCE: layer.source}
    settings = records.from_json(config, _Json)
    execution = settings.get("config") or {}
    history = layer.history
    if (before := execution.get("WorkingDir")) not in (None, layer.destination):
        history = history | {"comment": f"{history.get('comment', '')}{_IN_PLACE_OF}{before}"}
    execution |= {"WorkingDir": layer.destination, "Labels": (execution.get("Labels") or {}) | labels}
    settings["config"] = execution
    settings["rootfs"]["diff_ids"].append(layer.diff_id)
    settings["history"] = [*settings.get("history", ()), history]
    raw_config = canonical_json(settings)
    document = records.from_json(manifest, _Json)
    document["config"] = msgspec.to_builtins(describe(raw_config, CONFIG))
    blob = Descriptor(media_type=LAYER, digest=layer.digest, size=layer.size)
    document["layers"].append(msgspec.to_builtins(blob))
    document["annotations"] = document.get("annotations", {}) | labels
    return canonical_json(document), raw_config


def comment_of(history: str) -> str:
    """Return the comment of a project layer's history without what `with_project` added to it."""
    return history.partition(_IN_PLACE_OF)[0]


def environments_below(manifest: bytes, config: bytes) -> Iterator[str]:
    """Yield the digests of the image manifests that `with_project` may have made these documents of.

    It is one for each working folder that the environment image may have had: the one that the layer's history says,
    or else this one or none. Nothing is yielded for documents that it did not make.
    """
    try:
        settings = records.from_json(config, _Json)
        document = records.from_json(manifest, _Json)
        execution = settings["config"]
        del execution["Labels"][LABEL_SOURCE], document["annotations"][LABEL_SOURCE]
        settings["rootfs"]["diff_ids"].pop()
        _, replaced, said = str(settings["history"].pop().get("comment", "")).partition(_IN_PLACE_OF)
        document["layers"].pop()
        destination = execution.pop("WorkingDir")
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError):
        return
    for workdir in (said,) if replaced else (destination, None):
        before = execution | ({} if workdir is None else {"WorkingDir": workdir})
        document["config"] = msgspec.to_builtins(describe(canonical_json(settings | {"config": before}), CONFIG))
        yield digest_of(canonical_json(document))
