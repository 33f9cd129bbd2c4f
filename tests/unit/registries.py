"""A registry in a dict: what was asked of it, and what it was sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from envlock.errors import IntegrityError, UsageError
from envlock.formats.oci import INDEX, MANIFEST, Descriptor, Index, canonical_json, digest_of, parse_manifest
from envlock.model.reference import Reference


class DictRegistry:
    """Registries of several hosts; implements `model.edges.Registry`."""

    def __init__(self) -> None:
        self.blobs: dict[str, dict[str, bytes]] = {}
        """By name of the repository, then by digest."""
        self.manifests: dict[str, dict[str, tuple[bytes, str]]] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.calls: list[str] = []
        self.sent_bytes = 0
        self.denied: set[str] = set()
        """Repositories that may not be read."""
        self.broken: set[str] = set()
        """Hosts that cannot be reached."""

    def called(self, name: str) -> int:
        """Return how often a method was called."""
        return sum(call.split()[0] == name for call in self.calls)

    def _note(self, name: str, reference: Reference, what: str = "") -> None:
        self.calls.append(f"{name} {reference.name} {what or reference.target}")
        if reference.registry in self.broken:
            raise UsageError("registry-failed", "The registry cannot be used.", where=reference.registry, found="down")
        if reference.name in self.denied:
            raise UsageError("registry-denied", "The registry does not let us in.", where=reference.registry)

    def find(self, reference: Reference) -> str | None:
        """Look a tag or digest up."""
        self._note("find", reference)
        if reference.digest is not None:
            return reference.digest if reference.digest in self.manifests.get(reference.name, {}) else None
        return self.tags.get(reference.name, {}).get(reference.target)

    def tags_of(self, reference: Reference) -> tuple[str, ...]:
        """Return the names of what was tagged."""
        self._note("tags_of", reference)
        return tuple(sorted(self.tags.get(reference.name, {})))

    def digest(self, reference: Reference) -> str:
        """Look a tag up that is there."""
        return self.manifest(reference)[2]

    def manifest(self, reference: Reference) -> tuple[bytes, str, str]:
        """Return what was put."""
        self._note("manifest", reference)
        digest = reference.digest or self.tags.get(reference.name, {}).get(reference.target, "")
        try:
            raw, media_type = self.manifests.get(reference.name, {})[digest]
        except KeyError:
            raise UsageError("no-image", "The registry has no such image.", where=str(reference)) from None
        return raw, media_type, digest

    def blob(self, reference: Reference, digest: str) -> Iterator[bytes]:
        """Yield it in two pieces; one that is not what its name says fails at its end."""
        self._note("blob", reference, digest)
        raw = self.blobs[reference.name][digest]
        yield raw[: len(raw) // 2]
        yield raw[len(raw) // 2 :]
        if digest_of(raw) != digest:
            raise IntegrityError("digest-mismatch", "What the registry served is something else.", where=digest)

    def has_blob(self, reference: Reference, digest: str) -> bool:
        """Look it up."""
        self._note("has_blob", reference, digest)
        return digest in self.blobs.get(reference.name, {})

    def mount(self, reference: Reference, digest: str, source: Reference) -> bool:
        """Copy it."""
        self._note("mount", reference, digest)
        raw = self.blobs.get(source.name, {}).get(digest)
        if raw is None or source.registry != reference.registry:
            return False
        self.blobs.setdefault(reference.name, {})[digest] = raw
        return True

    def upload(self, reference: Reference, digest: str, size: int, chunks: Callable[[], Iterator[bytes]]) -> None:
        """Keep it, if it is what its name says."""
        self._note("upload", reference, digest)
        raw = b"".join(chunks())
        if digest_of(raw) != digest or len(raw) != size:
            raise IntegrityError("digest-mismatch", "The registry got something else.", where=digest)
        self.sent_bytes += len(raw)
        self.blobs.setdefault(reference.name, {})[digest] = raw

    def put_manifest(self, reference: Reference, raw: bytes, media_type: str) -> None:
        """Keep it, if all that it names is there."""
        self._note("put_manifest", reference)
        if media_type == MANIFEST:
            manifest = parse_manifest(raw, str(reference))
            for blob in (manifest.config, *manifest.layers):
                if not blob.urls and blob.digest not in self.blobs.get(reference.name, {}):
                    raise UsageError("manifest-refused", "The registry lacks a blob.", found=blob.digest)
        self.sent_bytes += len(raw)
        self.manifests.setdefault(reference.name, {})[digest_of(raw)] = (raw, media_type)
        if reference.digest is None:
            self.tags.setdefault(reference.name, {})[reference.target] = digest_of(raw)

    def referrers(self, reference: Reference) -> bytes:
        """List the manifests whose subject it is."""
        self._note("referrers", reference)
        found = []
        for digest, (raw, media_type) in sorted(self.manifests.get(reference.name, {}).items()):
            if media_type == MANIFEST:
                manifest = parse_manifest(raw, digest)
                kind = manifest.artifact_type or manifest.config.media_type
                if manifest.subject and manifest.subject.digest == reference.digest:
                    found.append(Descriptor(media_type=media_type, digest=digest, size=len(raw), artifact_type=kind))
        return canonical_json(Index(schema_version=2, media_type=INDEX, manifests=tuple(found)))
