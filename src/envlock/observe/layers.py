"""Reads every layer of an image as a stream, and gives the files of its Python environment as a container sees them."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec

from envlock.errors import IntegrityError, UnverifiableError
from envlock.formats.dist_info import READ
from envlock.formats.image_tree import merged
from envlock.formats.layer_reader import read_layer
from envlock.formats.oci import Config, Descriptor, Manifest
from envlock.formats.tar import Entry
from envlock.model.edges import Progress, Task, counted
from envlock.model.observation import Environment, LayerFact, Unknown
from envlock.observe.image_files import Node, Start, environment_of
from envlock.observe.sources import ImageSource

_THREADS = 2
"""Layers at a time: each holds a few MiB, and two cores are what CI has."""
_CONTENT = 8 << 20
LOCK_PATH = re.compile(r"opt/envlock/pylock\.[^./]+\.toml")
"""Where an image of ours has its lock, the only file of its layer."""


class ImageFiles(msgspec.Struct, frozen=True, kw_only=True):
    """What all layers of an image hold."""

    layers: tuple[LayerFact, ...]
    """With their digests checked."""
    environment: Environment | Unknown
    unclear: tuple[str, ...] = ()
    """Paths of the environment about which Engines disagree."""


class _LayerFiles(msgspec.Struct, kw_only=True):
    fact: LayerFact
    nodes: list[tuple[str, Node]]
    """In the order of the archive."""


def read_image_files(
    source: ImageSource, manifest: Manifest, config: Config, layers: tuple[LayerFact, ...], progress: Progress
) -> ImageFiles:
    """Return the layers with their digests checked, and the environment that a container would start with."""
    with (
        progress.task("Reading layers", sum(layer.size for layer in layers), unit="bytes") as task,
        ThreadPoolExecutor(_THREADS) as pool,
    ):
        read = list(pool.map(lambda blob, fact: _read(source, blob, fact, task), manifest.layers, layers))
    facts = tuple(layer.fact for layer in read)
    return image_files(facts, (layer.nodes for layer in read), start_of(config))


def image_files(facts: tuple[LayerFact, ...], nodes: Iterable[Iterable[tuple[str, Node]]], start: Start) -> ImageFiles:
    """Return the environment of layers that were read, unless one of them could not be."""
    if bad := next((fact for fact in facts if fact.problem), None):
        name = bad.digest or bad.diff_id
        reason = f"layer sha256:{name[:12]} could not be read: {bad.problem}"
        return ImageFiles(layers=facts, environment=Unknown(reason=reason))
    environment, unclear = laid_out(nodes, start)
    return ImageFiles(layers=facts, environment=environment, unclear=unclear)


def laid_out(
    layers: Iterable[Iterable[tuple[str, Node]]], start: Start
) -> tuple[Environment | Unknown, tuple[str, ...]]:
    """Return the environment that a container of these layers, lowest first, would start with.

    And those of its paths about which Engines disagree (see `formats.image_tree.merged`).
    """
    unclear: list[str] = []
    environment = environment_of(merged(layers, through=unclear), start)
    if isinstance(environment, Unknown):
        return environment, ()
    places = environment.layout
    roots = tuple(f"{folder.rstrip('/')}/" for folder in (*places.sites, places.scripts, places.prefix))
    return environment, tuple(sorted(path for path in unclear if path.startswith(roots)))


def start_of(config: Config) -> Start:
    """Return what a configuration says of programs."""
    return Start(system=config.os, architecture=config.architecture, variables=config.variables)


def _read(source: ImageSource, blob: Descriptor, fact: LayerFact, task: Task) -> _LayerFiles:
    if fact.problem:
        return _LayerFiles(fact=fact, nodes=[])
    nodes: list[tuple[str, Node]] = []

    try:
        for entry, body in read_layer(
            counted(source.chunks(blob), task), where=blob.digest, digest=blob.digest, diff_id=f"sha256:{fact.diff_id}"
        ):
            if entry.path:
                nodes.append((f"/{entry.path}", node_of(entry, body)))
    except (IntegrityError, UnverifiableError) as error:
        missing = isinstance(error, UnverifiableError)
        problem = f"{error.what} {error.found}".strip()
        return _LayerFiles(fact=msgspec.structs.replace(fact, problem=problem, missing=missing), nodes=[])
    return _LayerFiles(fact=msgspec.structs.replace(fact, checked=True), nodes=nodes)


def node_of(entry: Entry, body: Iterator[bytes]) -> Node:
    """Return what an entry puts at its path: a file hashed, and its content where a rule may read it."""
    if entry.kind != "file":
        return Node(entry.kind, link=entry.link)
    digest = hashlib.sha256()
    kept: list[bytes] | None = None
    for at, chunk in enumerate(body):
        if at == 0 and entry.size <= _CONTENT and _may_be_read(entry.path, chunk[:2]):
            kept = []
        digest.update(chunk)
        if kept is not None:
            kept.append(chunk)
    empty = b"" if entry.size == 0 and _may_be_read(entry.path, b"") else None
    content = b"".join(kept) if kept is not None else empty
    if content is not None and entry.path.endswith(".pyc"):
        content = content[:16]
    return Node("file", entry.size, digest.hexdigest(), content)


def _may_be_read(path: str, start: bytes) -> bool:
    """Tell whether a rule may look at a file's content, before it is known where the environment is."""
    name = posixpath.basename(path)
    return (
        name in READ
        or name in ("pyvenv.cfg", "patchlevel.h")
        or name.endswith((".pth", ".pyc", ".egg-link", ".egg-info"))
        or path.startswith("var/lib/dpkg/status")
        or LOCK_PATH.fullmatch(path) is not None
        or (start == b"#!" and posixpath.basename(posixpath.dirname(path)) in ("bin", "sbin"))
    )
