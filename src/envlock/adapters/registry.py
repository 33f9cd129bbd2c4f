"""Pulls from registries of images (OCI distribution-spec 1.1), every byte checked against its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, TypeVar

from envlock.adapters.registry_session import Session, denied, failed
from envlock.errors import IntegrityError, UsageError
from envlock.formats.oci import DOCKER_INDEX, DOCKER_MANIFEST, INDEX, MANIFEST, digest_of
from envlock.model.reference import Reference

if TYPE_CHECKING:
    import urllib3

_ACCEPT = {"Accept": ", ".join((INDEX, MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST))}
_MANIFEST_LIMIT = 4 << 20
"""Bytes; registries need not take larger ones (distribution-spec, pushing manifests)."""
_PIECE = 1 << 18
_ATTEMPTS = 4

_Answer = TypeVar("_Answer")


class OciRegistry:
    """Any registry, asked as docker asks it; implements `model.edges.Registry`. Safe to use from several threads."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def digest(self, reference: Reference) -> str:
        """Ask with HEAD, which registries that count pulls do not count."""

        def ask(registry: str, root: str) -> str | None:
            with self._manifest("HEAD", reference, registry, root) as response:
                _check(response, reference, "no-image")
                return reference.digest or response.headers.get("Docker-Content-Digest")

        return self._first(reference, ask) or self.manifest(reference)[2]

    def manifest(self, reference: Reference) -> tuple[bytes, str, str]:
        """Return (bytes, media type, digest)."""

        def ask(registry: str, root: str) -> tuple[bytes, str, str]:
            with self._manifest("GET", reference, registry, root) as response:
                _check(response, reference, "no-image")
                return _read_manifest(response, reference, registry)

        return self._first(reference, ask)

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
            raise _mismatch(f"{reference.at(digest)}", digest, f"sha256:{found.hexdigest()}")

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
                        scope=_pull(reference),
                        headers={"Range": f"bytes={start}-"} if start else None,
                    )
                )
                _check(response, reference.at(digest), "no-blob")
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

    def _manifest(
        self, method: str, reference: Reference, registry: str, root: str
    ) -> AbstractContextManager[urllib3.BaseHTTPResponse]:
        return self._session.request(
            method,
            f"{root}/v2/{reference.repository}/manifests/{reference.target}",
            registry=registry,
            scope=_pull(reference),
            headers=_ACCEPT,
        )

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


def _pull(reference: Reference) -> str:
    return f"repository:{reference.repository}:pull"


def _check(response: urllib3.BaseHTTPResponse, reference: Reference, missing: str) -> None:
    """Raise UsageError unless the answer is what was asked for."""
    if response.status in (200, 206):
        return
    if response.status in (401, 403):
        raise denied(reference.registry, response.status)
    if response.status == 404:
        raise UsageError(
            missing,
            "The registry has no such image." if missing == "no-image" else "The registry lacks a layer of the image.",
            where=str(reference),
            hint="Check name and tag; where the image was deleted, name another one, and lock with --base.",
        )
    raise failed(reference.registry, f"it answered {response.status}")


def _read_manifest(response: urllib3.BaseHTTPResponse, reference: Reference, registry: str) -> tuple[bytes, str, str]:
    import urllib3

    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
    if media_type not in (INDEX, MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST):
        raise UsageError(
            "not-a-manifest",
            "What the registry answered is no image that envlock reads.",
            where=str(reference),
            expected="an OCI image or index, or Docker's (schema 2)",
            found=media_type or "no media type",
            hint="Is this a registry? Images of the old schema 1 have to be pushed again by a newer docker.",
        )
    try:
        raw = response.read(_MANIFEST_LIMIT + 1)
    except urllib3.exceptions.HTTPError as error:
        raise failed(registry, type(error).__name__) from None
    if len(raw) > _MANIFEST_LIMIT:
        raise failed(registry, f"its image manifest has more than {_MANIFEST_LIMIT} bytes")
    found = digest_of(raw)
    # A tag's digest is the registry's word; under a digest the bytes must be that digest's.
    for expected in (reference.digest, response.headers.get("Docker-Content-Digest")):
        if expected is not None and expected.startswith("sha256:") and expected != found:
            raise _mismatch(str(reference), expected, found)
    return raw, media_type, found


def _mismatch(where: str, expected: str, found: str) -> IntegrityError:
    return IntegrityError(
        "digest-mismatch",
        "What the registry served does not have the digest that names it.",
        where=where,
        expected=expected,
        found=found,
        hint="A proxy or mirror in between may be broken: try again, or without it.",
    )
