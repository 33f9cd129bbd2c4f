"""Registries of images (OCI distribution-spec 1.1): pulls and pushes, every byte checked against its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeVar

from envlock.adapters.registry_errors import mismatch
from envlock.adapters.registry_manifests import Manifests, check
from envlock.adapters.registry_referrers import Referrers, subject_of
from envlock.adapters.registry_session import Session
from envlock.adapters.registry_tags import listed_tags
from envlock.adapters.registry_tokens import pull_scope
from envlock.adapters.registry_upload import Uploads
from envlock.errors import UsageError
from envlock.model.reference import Reference

if TYPE_CHECKING:
    import urllib3

_PIECE = 1 << 18
_ATTEMPTS = 4

_Answer = TypeVar("_Answer")


class OciRegistry:
    """Any registry, asked as docker asks it; implements `model.edges.Registry`. Safe to use from several threads.

    What is pulled may come from a mirror. What a push has to know is asked of the registry itself.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._manifests = Manifests(session)
        self._uploads = Uploads(session)
        self._referrers = Referrers(session, self._manifests)

    def digest(self, reference: Reference) -> str:
        """Ask with HEAD, which registries that count pulls do not count."""
        return self._first(reference, lambda registry, root: self._manifests.digest(reference, registry, root))

    def find(self, reference: Reference) -> str | None:
        """Ask the registry itself with HEAD."""
        return self._manifests.find(reference, reference.registry, self._session.hosts.root(reference.registry))

    def manifest(self, reference: Reference) -> tuple[bytes, str, str]:
        """Return (bytes, media type, digest)."""
        return self._first(reference, lambda registry, root: self._manifests.get(reference, registry, root))

    def put_manifest(self, reference: Reference, raw: bytes, media_type: str) -> None:
        """Put a manifest, and list it where it refers to another and the registry does not list it."""
        listed = self._manifests.put(reference, raw, media_type)
        if listed is None and subject_of(raw) is not None:
            self._referrers.keep(reference, raw, media_type)

    def referrers(self, reference: Reference) -> bytes:
        """Return an OCI index; where the reference has only a tag, of what that tag names now."""
        return self._referrers.listed(reference, reference.digest or self.digest(reference))

    def tags_of(self, reference: Reference) -> tuple[str, ...]:
        """Ask the registry itself, page by page."""
        return listed_tags(self._session, reference)

    def has_blob(self, reference: Reference, digest: str) -> bool:
        """Ask the registry itself with HEAD."""
        registry = reference.registry
        url = f"{self._session.hosts.root(registry)}/v2/{reference.repository}/blobs/{digest}"
        with self._session.request("HEAD", url, registry=registry, scope=pull_scope(reference)) as response:
            if response.status == 404:
                return False
            check(response, reference, "no-blob")
            return True

    def mount(self, reference: Reference, digest: str, source: Reference) -> bool:
        """Ask for a blob of another repository; a registry that does not mount opens the upload instead."""
        return self._uploads.mount(reference, digest, source)

    def upload(self, reference: Reference, digest: str, size: int, chunks: Callable[[], Iterator[bytes]]) -> None:
        """Stream a blob to the registry, from the beginning for each attempt."""
        self._uploads.send(reference, digest, size, chunks)

    def blob(self, reference: Reference, digest: str) -> Iterator[bytes]:
        """Yield a blob; a connection that breaks is taken up where it broke."""
        found, done = hashlib.sha256(), 0
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                for piece in self._pieces(reference, digest, done):
                    found.update(piece)
                    done += len(piece)
                    yield piece
                break
            except UsageError as error:
                if attempt == _ATTEMPTS or error.reference != "registry-broke":
                    raise
        if f"sha256:{found.hexdigest()}" != digest:
            raise mismatch(reference.at(digest), digest, f"sha256:{found.hexdigest()}")

    def _pieces(self, reference: Reference, digest: str, start: int) -> Iterator[bytes]:
        """Yield a blob from its byte `start` on, from the first place that has it."""
        import urllib3

        def open_at(registry: str, root: str) -> tuple[ExitStack, urllib3.BaseHTTPResponse]:
            with ExitStack() as stack:
                response = stack.enter_context(
                    self._session.request(
                        "GET",
                        f"{root}/v2/{reference.repository}/blobs/{digest}",
                        registry=registry,
                        scope=pull_scope(reference),
                        headers={"Range": f"bytes={start}-"} if start else None,
                    )
                )
                check(response, reference.at(digest), "no-blob")
                return stack.pop_all(), response

        opened, response = self._first(reference, open_at)
        with opened:
            skip = start if start and response.status != 206 else 0
            try:
                for piece in response.stream(_PIECE):
                    if skip >= len(piece):
                        skip -= len(piece)
                        continue
                    yield piece[skip:]
                    skip = 0
            except urllib3.exceptions.HTTPError as error:
                raise UsageError(
                    "registry-broke",
                    "The registry broke off within a layer.",
                    where=str(reference.at(digest)),
                    found=type(error).__name__,
                    hint="Run the command again.",
                ) from None

    def _first(self, reference: Reference, ask: Callable[[str, str], _Answer]) -> _Answer:
        """Return the first answer of the registry's mirrors and itself; what the registry itself says counts last."""
        roots = list(self._session.hosts.roots(reference.registry))
        for registry, root in roots[:-1]:
            try:
                return ask(registry, root)
            except UsageError as error:
                if error.reference == "offline":
                    raise
        return ask(*roots[-1])
