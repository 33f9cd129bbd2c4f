"""Where a copied image comes from and goes to: a repository of a registry, or an OCI layout folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from envlock.errors import IntegrityError, UsageError
from envlock.formats.blob import checked, write_blob
from envlock.formats.oci import REF_NAME, Descriptor, Layout, parse_index, parse_manifest
from envlock.image.layout import others_in, prepare_layout, write_index
from envlock.model.edges import Registry, Task, counted
from envlock.model.reference import Reference
from envlock.operations.documents import Documents, LayoutDocuments, RegistryDocuments, is_index
from envlock.operations.references import is_lock_tag, lock_tag, lock_tag_moved

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
        return RegistryPlace(in_registry(text), registry)
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


def in_registry(text: str) -> Reference:
    """Parse a reference of an image in a registry; UsageError (`bad-reference`) for a file or folder that is here."""
    kind, colon, _ = text.partition(":")
    hint = ""
    if colon and kind in ("docker-archive", "engine", "docker", "docker-daemon", "oci-archive"):
        hint = "Only registries and OCI layouts: REFERENCE without a scheme, or oci:DIR[:NAME]."
    elif Path(text).is_dir() and ("/" not in text or text.startswith((".", "/"))):
        hint = f"Of a layout here: {_LAYOUT}{text}"
    if hint:
        raise UsageError("bad-reference", f"{text!r} is not a reference of an image.", found=text, hint=hint)
    return Reference.parse(text)


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

        self._registry.upload(self._reference, blob.digest, blob.size, lambda: counted(source.chunks(blob), task))
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
            if found is None:
                _refuse_other_lock(reference, top, raw)
            elif is_lock_tag(str(reference.tag)):
                raise lock_tag_moved(reference, top.digest, found)
            self._registry.put_manifest(reference, raw, top.media_type)
        return f"{reference}@{top.digest}"


def _refuse_other_lock(reference: Reference, top: Descriptor, raw: bytes) -> None:
    """Raise UsageError (`reserved-tag`) where a lock's tag would name what says that it is no image of this lock."""
    if not is_lock_tag(str(reference.tag)):
        return
    said = (parse_index if is_index(top.media_type) else parse_manifest)(raw, top.digest).annotations
    own = lock_tag(said)
    if own != reference.tag:
        raise UsageError(
            "reserved-tag",
            "This tag belongs to the image of another lock.",
            where=str(reference),
            expected=own or "another tag, such as v1",
            found=str(reference.tag),
        )


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
            hint=f"Name one: {_LAYOUT}{self._root}:NAME",
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
        chunks = checked(source.chunks(blob), blob.size, where=str(self._root), digest=blob.digest)
        self._write(blob, chunks, task)
        return True

    def put(self, document: Descriptor, raw: bytes) -> None:
        """Write a document as the blob it is in a layout."""
        if not self.has(document):
            self._write(document, (raw,))

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

    def _write(self, blob: Descriptor, chunks: Iterable[bytes], task: Task | None = None) -> None:
        try:
            prepare_layout(self._root)
            write_blob(self._layout.blob_path(blob.digest), chunks, progress=task)
        except OSError as error:
            raise UsageError(
                "write-failed",
                f"{self._root} cannot be written.",
                found=error.strerror or str(error),
                hint="Make room there, or choose another folder.",
            ) from error
