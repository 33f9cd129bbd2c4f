"""`envlock push`: the image of a lock in a repository of a registry, of which only that is sent which is not there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import msgspec

from envlock.errors import UsageError
from envlock.image.layer import Layer
from envlock.image.oci import Blob, Image
from envlock.model.edges import NoProgress, Progress, Registry, Task
from envlock.model.reference import Reference
from envlock.operations.materials import Elsewhere
from envlock.operations.references import Destination, lock_tag_moved

_CONNECTIONS = 4
_READ = 1 << 20

Way = Literal["sent", "mounted", "there"]
"""How a blob came to be in the repository."""


class Tagged(msgspec.Struct, frozen=True, kw_only=True):
    """A tag that names the image now."""

    tag: str
    before: str | None = None
    """Digest of the image that it named before, where that was another one."""


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What an image is known as in a repository, and what it took."""

    image: Image
    repository: Reference
    tags: tuple[Tagged, ...]
    """That of the lock first."""
    unchanged: bool
    """Whether the lock's tag named this image already, so that nothing else was looked at."""
    sent: int = 0
    """Blobs: layers and configurations."""
    mounted: int = 0
    there: int = 0
    sent_bytes: int = 0
    """Of blobs, indexes and manifests."""

    @property
    def digest(self) -> str:
        """The index digest, which all of its tags name."""
        return self.image.index.descriptor.digest

    @property
    def references(self) -> tuple[str, ...]:
        """References that people use, each with the digest that it stands for."""
        return tuple(f"{self.repository.tagged(each.tag)}@{self.digest}" for each in self.tags)


def publish(
    destination: Destination,
    *,
    make: Callable[[Elsewhere], Image],
    known: Image | None,
    registry: Registry,
    sources: Sequence[Reference] = (),
    progress: Progress | None = None,
    rebuild: bool = False,
) -> Published:
    """Put an image into a repository, under the tag of its lock and under the user's.

    Args:
        make: builds the image, given what tells whether a layer that `envlock.sum` vouches for is in the repository.
        known: the image's documents, where `envlock.sum` has them; the lock's tag is then asked for first, and nothing
            is built or looked at where it names this image.
        sources: other repositories whose blobs are mounted, those of the same registry only.
        rebuild: build and look at everything, whatever tag and `envlock.sum` say.

    Raises IntegrityError (`lock-tag-moved`) where the lock's tag names another image, UsageError (`layer-gone`), and
    what `make` and `registry` raise.
    """
    site = _Repository(destination.repository, registry, sources, progress or NoProgress())
    if known is not None and site.has_lock_tag(known) and not rebuild:
        image, unchanged = known, True
    else:
        image, unchanged = make(lambda _: False) if rebuild else make(site.holds), False
        tagged = site.has_lock_tag(image)
        site.send(image)
        if not tagged:
            site.tag(image.index, image.tag)
    moved = [site.retag(image.index, tag) for tag in destination.tags]
    ways = site.ways()
    return Published(
        image=image,
        repository=destination.repository,
        tags=(Tagged(tag=image.tag), *moved),
        unchanged=unchanged,
        sent=ways.count("sent"),
        mounted=ways.count("mounted"),
        there=ways.count("there"),
        sent_bytes=site.sent_bytes,
    )


class _Repository:
    """One repository while an image goes there: every blob is asked for once, mounted or sent once."""

    def __init__(
        self, reference: Reference, registry: Registry, sources: Sequence[Reference], progress: Progress
    ) -> None:
        self._reference = reference
        self._registry = registry
        self._sources = tuple(
            source for source in sources if source.registry == reference.registry and source.name != reference.name
        )
        self._progress = progress
        self._guard = threading.Lock()
        self._asked: dict[str, Future[Way | None]] = {}
        self._sent: set[str] = set()
        self.sent_bytes = 0

    def holds(self, layer: Layer) -> bool:
        """Tell whether the repository has a layer, mounted from another one where need be."""
        return self._way(layer.digest) is not None

    def ways(self) -> list[Way]:
        """Return how each blob that was asked for came to be there."""
        found: list[Way] = ["sent"] * len(self._sent)
        for digest, asked in self._asked.items():
            way = asked.result()
            if digest not in self._sent and way is not None:
                found.append(way)
        return found

    def has_lock_tag(self, image: Image) -> bool:
        """Tell whether the tag of the image's lock names it; IntegrityError where it names another image."""
        expected = image.index.descriptor.digest
        found = self._registry.find(self._reference.tagged(image.tag))
        if found is not None and found != expected:
            raise lock_tag_moved(self._reference.tagged(image.tag), expected, found)
        return found is not None

    def send(self, image: Image) -> None:
        """Bring everything there: layers and configurations, then what names them, the index last."""
        layers = {layer.digest: layer for platform in image.platforms for layer in platform.layers}
        lacking = [layer for layer in layers.values() if layer.digest not in image.files]
        for layer in lacking:
            if not self.holds(layer):
                raise UsageError(
                    "layer-gone",
                    "A layer is neither on this machine nor in the repository any more.",
                    where=self._reference.name,
                    found=layer.digest,
                    hint="It was there a moment ago; run the command again.",
                )
        files = sorted((layers[digest] for digest in image.files if digest in layers), key=lambda layer: -layer.size)
        with ThreadPoolExecutor(_CONNECTIONS, thread_name_prefix="push") as threads:
            futures = [threads.submit(self._send_file, layer, image.files[layer.digest]) for layer in files]
            futures += [threads.submit(self._send_document, platform.config) for platform in image.platforms]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                threads.shutdown(wait=True, cancel_futures=True)
                raise
        for document in (*(platform.manifest for platform in image.platforms), image.index):
            if self._registry.find(self._reference.at(document.descriptor.digest)) is None:
                self._put(document, self._reference.at(document.descriptor.digest))

    def tag(self, index: Blob, tag: str) -> None:
        """Give the index a tag."""
        self._put(index, self._reference.tagged(tag))

    def retag(self, index: Blob, tag: str) -> Tagged:
        """Give the index a tag that may name another image so far."""
        before = self._registry.find(self._reference.tagged(tag))
        if before == index.descriptor.digest:
            return Tagged(tag=tag)
        self.tag(index, tag)
        return Tagged(tag=tag, before=before)

    def _way(self, digest: str) -> Way | None:
        """Return how a blob is there already; the first thread that asks finds out."""
        with self._guard:
            mine = digest not in self._asked
            future = self._asked.setdefault(digest, Future())
        if mine:
            try:
                future.set_result(self._found(digest))
            except BaseException as error:
                future.set_exception(error)
                raise
        return future.result()

    def _found(self, digest: str) -> Way | None:
        if self._registry.has_blob(self._reference, digest):
            return "there"
        return "mounted" if any(self._mounted(source, digest) for source in self._sources) else None

    def _mounted(self, source: Reference, digest: str) -> bool:
        """Mount a blob that a source has; a source that may not be read is none."""
        try:
            if not self._registry.has_blob(source, digest):
                return False
        except UsageError as error:
            if error.reference != "registry-denied":
                raise
            return False
        return self._registry.mount(self._reference, digest, source)

    def _send_file(self, layer: Layer, path: Path) -> None:
        if self._way(layer.digest) is not None:
            return
        with self._progress.task(f"Sending {layer.digest[7:19]}", layer.size, unit="bytes") as task:
            chunks = _Chunks(path, task)
            self._registry.upload(self._reference, layer.digest, layer.size, chunks)
        self._count(layer.digest, layer.size)

    def _send_document(self, document: Blob) -> None:
        digest, raw = document.descriptor.digest, document.raw
        if self._way(digest) is None:
            self._registry.upload(self._reference, digest, len(raw), lambda: iter((raw,)))
            self._count(digest, len(raw))

    def _count(self, digest: str, size: int) -> None:
        with self._guard:
            self._sent.add(digest)
            self.sent_bytes += size

    def _put(self, document: Blob, reference: Reference) -> None:
        self._registry.put_manifest(reference, document.raw, document.descriptor.media_type)
        self.sent_bytes += len(document.raw)


class _Chunks:
    """A file's bytes, from its beginning whenever they are asked for; progress goes back with them."""

    def __init__(self, path: Path, task: Task) -> None:
        self._path = path
        self._task = task
        self._told = 0

    def __call__(self) -> Iterator[bytes]:
        self._task.advance(-self._told)
        self._told = 0
        with self._path.open("rb", buffering=0) as file:
            while piece := file.read(_READ):
                self._told += len(piece)
                self._task.advance(len(piece))
                yield piece
