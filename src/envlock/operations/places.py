"""Where a copied image comes from and goes to: a repository of a registry, or an OCI layout folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from envlock.errors import IntegrityError, UsageError
from envlock.formats.beside import beside
from envlock.formats.oci import REF_NAME, Descriptor, Layout
from envlock.image.layout import others_in, prepare_layout, write_index
from envlock.model.edges import Registry, Task
from envlock.model.reference import Reference
from envlock.operations.documents import Documents, LayoutDocuments, RegistryDocuments
from envlock.operations.references import is_lock_tag

_LAYOUT = "oci:"


class Place(Protocol):
    """An image's place, read or written. Safe to use from several threads."""

    @property
    def documents(self) -> Documents:
        """Its manifests and indexes, and what refers to them."""

    def top(self) -> Descriptor:
        """Return what its name names: an index, or a manifest."""

    def chunks(self, blob: Descriptor) -> Iterator[bytes]:
        """Yield a blob."""

    def has(self, blob: Descriptor) -> bool:
        """Tell whether a blob is there."""

    def take(self, blob: Descriptor, source: Place, task: Task) -> bool:
        """Make a blob of another place one of this place; False where that took no bytes (a mount)."""

    def put(self, document: Descriptor, raw: bytes) -> None:
        """Put a manifest or index under its digest, unless it is there."""

    @property
    def name(self) -> str:
        """Tag, or name in a layout; empty where there is none."""

    def finish(self, top: Descriptor, raw: bytes, referrers: Sequence[Descriptor], name: str) -> str:
        """Name what was put, last of all, and return the name with its digest; `name` is what the source calls it."""


def place_of(text: str, registry: Registry) -> Place:
    """Return the place that a user names: a reference, or ``oci:DIR[:NAME]``; UsageError (`bad-reference`)."""
    if not text.startswith(_LAYOUT):
        return RegistryPlace(Reference.parse(text), registry)
    folder, colon, name = text.removeprefix(_LAYOUT).rpartition(":")
    if not colon or "/" in name or "\\" in name:
        folder, name = text.removeprefix(_LAYOUT), ""
    if not folder:
        raise UsageError(
            "bad-reference",
            f"{text!r} names no folder.",
            expected="oci:DIR, oci:DIR:NAME, or the reference of an image in a registry",
            found=text,
        )
    return LayoutPlace(Path(folder), name)


class RegistryPlace:
    """A tag or digest of a repository."""

    def __init__(self, reference: Reference, registry: Registry) -> None:
        self._reference = reference
        self._registry = registry
        self.documents = RegistryDocuments(registry, reference)

    def top(self) -> Descriptor:
        """Ask what the reference names."""
        raw, media_type, digest = self._registry.manifest(self._reference)
        return Descriptor(media_type=media_type, digest=digest, size=len(raw))

    def chunks(self, blob: Descriptor) -> Iterator[bytes]:
        """Stream from the registry, which checks the digest at the end."""
        return self._registry.blob(self._reference, blob.digest)

    def has(self, blob: Descriptor) -> bool:
        """Ask with HEAD."""
        return self._registry.has_blob(self._reference, blob.digest)

    def take(self, blob: Descriptor, source: Place, task: Task) -> bool:
        """Mount from a repository of the same registry, else stream without keeping anything."""
        origin = source._reference if isinstance(source, RegistryPlace) else None  # noqa: SLF001 - the same class
        if (
            origin is not None
            and origin.registry == self._reference.registry
            and self._registry.mount(self._reference, blob.digest, origin)
        ):
            return False

        def counted() -> Iterator[bytes]:
            for chunk in source.chunks(blob):
                task.advance(len(chunk))
                yield chunk

        self._registry.upload(self._reference, blob.digest, blob.size, counted)
        return True

    def put(self, document: Descriptor, raw: bytes) -> None:
        """Put it, which makes a referrer of a manifest with a subject."""
        at = self._reference.at(document.digest)
        if self._registry.find(at) is None:
            self._registry.put_manifest(at, raw, document.media_type)

    @property
    def name(self) -> str:
        """The tag."""
        return self._reference.tag or ""

    def finish(self, top: Descriptor, raw: bytes, referrers: Sequence[Descriptor], name: str) -> str:  # noqa: ARG002
        """Give the tag, where the reference has one; a lock's tag never moves."""
        reference = self._reference
        if reference.digest is not None:
            if reference.digest != top.digest:
                raise UsageError(
                    "bad-reference",
                    "What is copied does not have the digest that the target names.",
                    where=str(reference),
                    expected=reference.digest,
                    found=top.digest,
                )
            return str(reference)
        found = self._registry.find(reference)
        if found != top.digest:
            if found is not None and is_lock_tag(str(reference.tag)):
                raise IntegrityError(
                    "lock-tag-moved",
                    "The tag of a lock names another image in the registry already.",
                    where=str(reference),
                    expected=top.digest,
                    found=found,
                    hint="One of the two images is not the lock's: `envlock verify --image` says which.",
                )
            self._registry.put_manifest(reference, raw, top.media_type)
        return f"{reference}@{top.digest}"


class LayoutPlace:
    """An image of an OCI layout folder, by the name that index.json gives it."""

    def __init__(self, root: Path, name: str) -> None:
        self._root = root
        self._name = name
        self._layout = Layout(root)
        self.documents = LayoutDocuments(self._layout)

    def top(self) -> Descriptor:
        """Look the name up; without one there has to be one image alone. UsageError (`no-image`, `several-images`)."""
        images = [row for row in self._layout.top().manifests if row.artifact_type is None]
        names = {row.annotations.get(REF_NAME, ""): row for row in images}
        if self._name:
            chosen = [names[self._name]] if self._name in names else []
        else:
            chosen = list({row.digest: row for row in images}.values())
        if len(chosen) == 1:
            return Descriptor(media_type=chosen[0].media_type, digest=chosen[0].digest, size=chosen[0].size)
        raise UsageError(
            "several-images" if chosen else "no-image",
            f"{self._root} holds {'several images' if chosen else 'no such image'}.",
            expected="one, or one of the names: " + (", ".join(sorted(filter(None, names))) or "none is there"),
            found=self._name or f"{len(chosen)} images",
            hint="Name one: oci:DIR:NAME",
        )

    def chunks(self, blob: Descriptor) -> Iterator[bytes]:
        """Read the file; whoever writes it elsewhere checks its digest."""
        return self._layout.chunks(blob)

    def has(self, blob: Descriptor) -> bool:
        """Hash the blob, if it is there."""
        try:
            self._layout.verify(blob)
        except IntegrityError:
            return False
        return True

    def take(self, blob: Descriptor, source: Place, task: Task) -> bool:
        """Write beside and rename, the digest checked."""

        def fill(part: Path) -> None:
            digest, size = hashlib.sha256(), 0
            with part.open("wb") as file:
                for chunk in source.chunks(blob):
                    digest.update(chunk)
                    size += len(chunk)
                    if size > blob.size:
                        break
                    file.write(chunk)
                    task.advance(len(chunk))
            found = f"sha256:{digest.hexdigest()}"
            if (found, size) != (blob.digest, blob.size):
                raise IntegrityError(
                    "digest-mismatch",
                    "A copied blob is not what its name says.",
                    where=str(self._root),
                    expected=f"{blob.digest}, {blob.size} bytes",
                    found=f"{found}, {size} bytes",
                )

        self._write(blob, fill)
        return True

    def put(self, document: Descriptor, raw: bytes) -> None:
        """Write a document as the blob it is in a layout."""
        if not self.has(document):
            self._write(document, lambda part: part.write_bytes(raw))

    @property
    def name(self) -> str:
        """Its name in index.json."""
        return self._name

    def finish(self, top: Descriptor, raw: bytes, referrers: Sequence[Descriptor], name: str) -> str:  # noqa: ARG002
        """Put the image into index.json under its name, else under the source's, and its referrers without one."""
        name = self._name or name
        kept = others_in(self._root, (name,))
        there = {row.digest for row in kept if row.artifact_type}
        annotations = {REF_NAME: name} if name else {}
        image = Descriptor(media_type=top.media_type, digest=top.digest, size=top.size, annotations=annotations)
        write_index(self._root, [image, *kept, *(row for row in referrers if row.digest not in there)])
        return f"{_LAYOUT}{self._root}{':' if name else ''}{name}@{top.digest}"

    def _write(self, blob: Descriptor, fill: Callable[[Path], object]) -> None:
        try:
            prepare_layout(self._root)
            beside(self._layout.blob_path(blob.digest), fill)
        except OSError as error:
            raise UsageError(
                "write-failed",
                f"{self._root} cannot be written.",
                found=error.strerror or str(error),
                hint="Make room there, or choose another folder.",
            ) from error
