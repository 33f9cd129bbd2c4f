"""Reads an image as `docker save` writes it, as a stream: layers in any order, documents among them, nothing kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from envlock.errors import IntegrityError, UnverifiableError, UsageError
from envlock.formats.blob import LIMIT
from envlock.formats.layer_reader import Digests, read_layer
from envlock.formats.oci import (
    DOCKER_INDEX,
    INDEX,
    Config,
    check_layers,
    digest_of,
    parse_config,
    parse_index,
    parse_manifest,
)
from envlock.formats.tar import Entry
from envlock.model import records
from envlock.observe.image_files import Node
from envlock.observe.layers import node_of

_BLOCK = 512
_LINKS = 8


class _Image(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """A row of manifest.json."""

    config: str
    layers: tuple[str, ...]
    repo_tags: tuple[str, ...] | None = None


class ArchivedLayer(msgspec.Struct, kw_only=True):
    """One layer that was read to its end, or as far as it could be."""

    diff_id: str = ""
    """``sha256:<hex>``."""
    nodes: list[tuple[str, Node]] = msgspec.field(default_factory=list)
    """In the order of the archive, by absolute paths."""
    entries: list[tuple[Entry, str]] = msgspec.field(default_factory=list)
    """The same as the archive describes them, with the sha256 of files."""
    problem: str = ""


class ArchivedImage(msgspec.Struct, frozen=True, kw_only=True):
    """One image of an archive, its layers lowest first; a layer that is not there is None."""

    config: Config
    config_digest: str
    """``sha256:<hex>``: what most Engines call the image by."""
    layers: tuple[ArchivedLayer | None, ...]


def read_archive(chunks: Iterable[bytes], *, where: str, tag: str = "") -> ArchivedImage:
    """Read an archive of Docker or Podman to its end, and return its image, the one of `tag` where it holds several.

    What is wrong with a layer is part of the answer. Raises UsageError (`no-image`, `several-images`) and
    IntegrityError (`bad-layer`, `bad-image`).
    """
    documents: dict[str, bytes] = {}
    layers: dict[str, ArchivedLayer] = {}
    links: dict[str, str] = {}
    left = LIMIT
    for entry, body in read_layer(chunks, where=where):
        if entry.kind != "dir":  # of several members of a name the last counts, as where they are unpacked
            for before in (documents, layers, links):
                before.pop(entry.path, None)
        if entry.kind in ("symlink", "hardlink"):
            links[entry.path] = _target(entry.path, entry.link, symbolic=entry.kind == "symlink")
        elif entry.kind == "file":
            first = next(body, b"")
            if entry.size < _BLOCK or (first.lstrip()[:1] in (b"{", b"[") and entry.size <= left):
                left -= entry.size
                documents[entry.path] = b"".join((first, *body))
            else:
                layers[entry.path] = _layer(_chained(first, body), entry.path)
    row = _chosen(documents, where, tag)
    raw = documents.get(_followed(row.config, links))
    if raw is None:
        raise IntegrityError("bad-image", "An archive lacks the configuration of its image.", where=where)
    config = parse_config(raw, where)
    check_layers(config, len(row.layers), where)
    _refuse_second(documents, links, config, where)
    return ArchivedImage(
        config=config,
        config_digest=digest_of(raw),
        layers=tuple(layers.get(_followed(path, links)) for path in row.layers),
    )


def _layer(blob: Iterable[bytes], where: str) -> ArchivedLayer:
    layer, found = ArchivedLayer(), Digests()
    try:
        for entry, body in read_layer(blob, where=where, found=found):
            if entry.path:
                node = node_of(entry, body)
                layer.nodes.append((f"/{entry.path}", node))
                layer.entries.append((entry, node.sha256))
        layer.diff_id = found.plain
    except (IntegrityError, UnverifiableError) as error:
        layer.problem = f"{error.what} {error.found}".strip()
    return layer


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _refuse_second(documents: dict[str, bytes], links: dict[str, str], config: Config, where: str) -> None:
    """Refuse an archive that is another image by index.json than by manifest.json: Engines read either of them.

    Images of other platforms, which manifest.json leaves out, are no contradiction; nor is what the archive lacks.
    """
    rows = records.from_json(documents["manifest.json"], tuple[_Image, ...])
    known = {digest_of(raw) for row in rows if (raw := documents.get(_followed(row.config, links))) is not None}

    def document(digest: str) -> bytes | None:
        raw = documents.get(_followed(f"blobs/{digest.replace(':', '/')}", links))
        return raw if raw is not None and digest_of(raw) == digest else None

    waiting = [documents["index.json"]] if "index.json" in documents else []
    for raw in waiting:  # which grows
        for descriptor in parse_index(raw, where).manifests:
            below = document(descriptor.digest)
            if below is None or (descriptor.platform is not None and descriptor.platform.os == "unknown"):
                continue
            if descriptor.media_type in (INDEX, DOCKER_INDEX):
                waiting.append(below)
                continue
            named = parse_manifest(below, where).config
            found = document(named.digest)
            if found is None or named.digest in known:
                continue
            other = parse_config(found, where)
            if (other.os, other.architecture) == (config.os, config.architecture):
                raise IntegrityError(
                    "bad-image",
                    "index.json of an archive names another image than its manifest.json.",
                    where=where,
                    found=named.digest,
                )


def _chosen(documents: dict[str, bytes], where: str, tag: str) -> _Image:
    try:
        rows = records.from_json(documents.get("manifest.json", b"[]"), tuple[_Image, ...])
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise IntegrityError(
            "bad-image", f"manifest.json of an archive cannot be read: {error}.", where=where
        ) from None
    fitting = [row for row in rows if tag in _names(row)] if tag else list(rows)
    if len({row.config for row in fitting}) == 1:
        return fitting[0]
    names = sorted({name for row in rows for name in _names(row)})
    raise UsageError(
        "several-images" if fitting else "no-image",
        "The archive holds several images." if fitting else "The archive holds no such image.",
        where=where,
        expected=f"one of: {', '.join(names)}" if names else "an archive of `docker save`",
        found=tag or f"{len(rows)} images",
    )


def _names(row: _Image) -> Sequence[str]:
    return row.repo_tags or ()


def _target(path: str, link: str, *, symbolic: bool) -> str:
    """Return the path in the archive that a link names: Engines and Podman write a repeated layer as one."""
    parts = path.split("/")[:-1] if symbolic and not link.startswith("/") else []
    for part in link.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def _followed(path: str, links: dict[str, str]) -> str:
    for _ in range(_LINKS):
        if path not in links:
            break
        path = links[path]
    return path
