"""Proves the bytecode of an image: every module is compiled again, as `build` compiled it, from the image's own files.

It takes the very order and the very batches of a build (layer spec v1), so that equal bytes are expected.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO

import msgspec

from envlock.formats.image_tree import merged, resolved
from envlock.formats.layer_reader import read_layer
from envlock.formats.oci import Descriptor, Manifest
from envlock.formats.pyc import source_of
from envlock.formats.tar import Entry
from envlock.image.base import python_of
from envlock.image.install import site_packages
from envlock.image.plan import PlannedLayer, image_of
from envlock.model.edges import Compiler, Progress, Task, counted
from envlock.model.lock import LockFile
from envlock.model.observation import Bytecode, Environment
from envlock.observe.sources import ImageSource, manifest_of
from envlock.verify.claim import claim_of


class _Node(msgspec.Struct, frozen=True, gc=False):
    """What stands at a path; a source's bytes are in the spool."""

    kind: str
    link: str = ""
    sha256: str = ""
    offset: int = 0
    size: int = 0


def recompiled(
    source: ImageSource,
    lock_file: LockFile,
    plan: Sequence[PlannedLayer],
    environment: Environment,
    *,
    compiler: Compiler,
    progress: Progress,
) -> Mapping[str, Bytecode]:
    """Return for each .pyc whether it has the bytes that the image's interpreter makes of its source.

    Those of the virtual environment are judged, and on a base of packages those of the standard library. One that a
    wheel brought is its RECORD's affair, and one of run steps the lock's, which has their layer's digest; one that no
    build makes, while its source is there, `differs`. What run steps made of the library's sources changes nothing:
    bytecode is built before.

    Args:
        source: the image, whose layers are read once more.
        plan: the layers that follow from the lock.
        environment: the image's, its files hashed.
    """
    manifest = manifest_of(source)
    base, config = image_of(lock_file.lock)
    library = () if base.image else (f"/usr/lib/python{python_of(base)}/", "/usr/lib/python3/")
    roots = (f"/{site_packages(lock_file.lock.python)}/", *library)
    with tempfile.TemporaryFile() as spool:
        with progress.task("Reading modules", sum(layer.size for layer in manifest.layers), unit="bytes") as task:
            layers = [list(_nodes(source, blob, spool, task)) for blob in manifest.layers]
        tree, below = merged(layers), merged(layers[:1])
        batches = [(below, batch) for batch in _library(below, library)]
        batches += [(tree, batch) for batch in _wheels(tree, plan, environment, roots[0])]
        verdicts: dict[str, Bytecode] = {}
        with progress.task("Compiling modules again", sum(len(batch) for _, batch in batches)) as task:
            for sources, batch in batches if config.bytecode else ():
                for path, pyc in compiler.compile((path, _text(sources, path, spool)) for path in batch):
                    task.advance()
                    found = tree.get(path)
                    if found is not None:  # where several layers have it, the image has the highest one's
                        same = found.sha256 == hashlib.sha256(pyc).hexdigest()
                        verdicts[path] = "same" if same else "differs"
    brought = _recorded(environment) | _executed(manifest, plan, layers, library)
    for path, node in tree.items():
        if path.endswith(".pyc") and path.startswith(roots) and node.kind != "dir":
            if path in brought:
                verdicts.pop(path, None)
            elif path not in verdicts:
                verdicts[path] = "differs" if source_of(path) in tree else "ignored"
    return verdicts


def _nodes(source: ImageSource, blob: Descriptor, spool: IO[bytes], task: Task) -> Iterator[tuple[str, _Node]]:
    """Yield what a layer holds."""
    for entry, body in read_layer(counted(source.chunks(blob), task), where=blob.digest, digest=blob.digest):
        if entry.path:
            yield f"/{entry.path}", _node(entry, body, spool)


def _node(entry: Entry, body: Iterator[bytes], spool: IO[bytes]) -> _Node:
    if entry.kind != "file":
        return _Node(entry.kind, link=entry.link)
    if entry.path.endswith(".pyc"):
        total = hashlib.sha256()
        for chunk in body:
            total.update(chunk)
        return _Node("file", sha256=total.hexdigest())
    if not entry.path.endswith(".py"):
        return _Node("file")
    offset = spool.tell()
    for chunk in body:
        spool.write(chunk)
    return _Node("file", offset=offset, size=entry.size)


def _text(tree: Mapping[str, _Node], path: str, spool: IO[bytes]) -> bytes:
    node = tree[resolved(tree, path)]
    spool.seek(node.offset)
    return spool.read(node.size)


def _library(tree: Mapping[str, _Node], folders: Iterable[str]) -> Iterator[Sequence[str]]:
    """Yield the one batch of the standard library and of Debian's modules (`image.base.stdlib_sources`)."""
    batch = [
        path
        for folder in folders
        for path in sorted(_modules(tree, folder), key=str.encode)
        if getattr(tree.get(resolved(tree, path)), "kind", "") == "file"
    ]
    if batch:
        yield batch


def _modules(tree: Mapping[str, _Node], folder: str) -> Iterator[str]:
    return (
        path for path, node in tree.items() if path.startswith(folder) and path.endswith(".py") and node.kind != "dir"
    )


def _wheels(
    tree: Mapping[str, _Node], plan: Iterable[PlannedLayer], environment: Environment, site: str
) -> Iterator[Sequence[str]]:
    """Yield a batch for each wheel of each layer: what it installed, but for what one before it in the layer did."""
    own = {
        distribution.name: {path for path in claim_of(distribution, environment).rows if path.startswith(site)}
        for distribution in environment.distributions
    }
    for planned in plan:
        seen: set[str] = set()
        for package, _ in planned.wheels:
            mine = [path for path in own.get(package.name, ()) if path.endswith(".py") and path not in seen]
            seen.update(mine)
            batch = sorted((path for path in mine if path in tree), key=str.encode)
            if batch:
                yield batch


def _executed(
    manifest: Manifest,
    plan: Sequence[PlannedLayer],
    layers: Sequence[Sequence[tuple[str, _Node]]],
    folders: Iterable[str],
) -> set[str]:
    """Return what the locked layer of run steps has in these folders."""
    return {
        path
        for planned, blob, nodes in zip(plan, manifest.layers, layers, strict=False)
        if planned.kind == "run" and planned.given is not None and planned.given.digest == blob.digest
        for path, _ in nodes
        if path.startswith(tuple(folders))
    }


def _recorded(environment: Environment) -> set[str]:
    """Return the .pyc files that wheels brought: RECORD has a hash of them."""
    return {
        path
        for distribution in environment.distributions
        for path, row in claim_of(distribution, environment).rows.items()
        if path.endswith(".pyc") and row.hash
    }
