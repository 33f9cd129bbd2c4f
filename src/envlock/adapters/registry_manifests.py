"""Image manifests and indexes in a registry (distribution-spec, pulling and pushing manifests), by tag or digest."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from envlock.adapters.registry_errors import absent, damaged, denied, failed, manifest_refused, mismatch, refusal
from envlock.adapters.registry_session import Session
from envlock.adapters.registry_tokens import pull_scope, push_scope
from envlock.errors import UsageError
from envlock.formats.oci import DOCKER_INDEX, DOCKER_MANIFEST, INDEX, MANIFEST, digest_of
from envlock.model.reference import Reference

if TYPE_CHECKING:
    import urllib3

_KINDS = (INDEX, MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST)
_ACCEPT = {"Accept": ", ".join(_KINDS)}
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LIMIT = 4 << 20
"""Bytes; registries need not take larger ones (distribution-spec, pushing manifests)."""


class Manifests:
    """Manifests of a registry or a mirror before it. Safe to use from several threads."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def find(self, reference: Reference, registry: str, root: str) -> str | None:
        """Return the digest that a reference has at a place, None where there is no such image.

        Asked with HEAD, which registries that count pulls do not count.
        Raises UsageError (`registry-denied`, `registry-failed`).
        """
        with self._ask("HEAD", reference, registry, root) as response:
            if response.status == 404:
                return None
            check(response, reference, "no-image")
            found = reference.digest or response.headers.get("Docker-Content-Digest")
        return found if found and _DIGEST.fullmatch(found) else self.get(reference, registry, root)[2]

    def digest(self, reference: Reference, registry: str, root: str) -> str:
        """Return what `find` does; UsageError (`no-image`) where there is no such image."""
        found = self.find(reference, registry, root)
        if found is None:
            raise absent("no-image", reference)
        return found

    def get(self, reference: Reference, registry: str, root: str) -> tuple[bytes, str, str]:
        """Return (bytes, media type, digest) at a place, the digest verified.

        Raises UsageError (`no-image`, `not-a-manifest`, …) and IntegrityError (`digest-mismatch`).
        """
        with self._ask("GET", reference, registry, root) as response:
            check(response, reference, "no-image")
            return _read(response, reference, registry)

    def put(self, reference: Reference, raw: bytes, media_type: str) -> str | None:
        """Put a manifest under a reference's tag or digest; the same bytes may be put again at any time.

        Returns the digest of the subject that the registry will list it under (distribution-spec, OCI-Subject), None
        where it has none or the registry knows of no referrers. Raises UsageError (`manifest-refused`) and
        IntegrityError (`digest-mismatch`).
        """
        digest = digest_of(raw)
        if reference.digest not in (None, digest):
            raise damaged(reference, f"{reference.digest}", digest)
        registry = reference.registry
        with self._session.request(
            "PUT",
            f"{self._session.hosts.root(registry)}/v2/{reference.repository}/manifests/{reference.target}",
            registry=registry,
            scope=push_scope(reference),
            headers={"Content-Type": media_type},
            body=raw,
        ) as response:
            if response.status not in (200, 201, 202, 204):
                found = refusal(response)
                if found.status in (401, 403):
                    raise denied(registry, found)
                raise manifest_refused(reference, media_type, found)
            taken = response.headers.get("Docker-Content-Digest", digest)
            if taken.startswith("sha256:") and taken != digest:
                raise damaged(reference, digest, taken)
            return response.headers.get("OCI-Subject")

    def _ask(
        self, method: str, reference: Reference, registry: str, root: str
    ) -> AbstractContextManager[urllib3.BaseHTTPResponse]:
        return self._session.request(
            method,
            f"{root}/v2/{reference.repository}/manifests/{reference.target}",
            registry=registry,
            scope=pull_scope(reference),
            headers=_ACCEPT,
        )


def check(response: urllib3.BaseHTTPResponse, reference: Reference, missing: str) -> None:
    """Raise UsageError (`registry-denied`, `registry-failed`, `missing`) unless the answer is what was asked for."""
    if response.status in (200, 206):
        return
    found = refusal(response)
    if found.status in (401, 403):
        raise denied(reference.registry, found)
    if found.status == 404:
        raise absent(missing, reference)
    raise failed(reference.registry, f"it answered {found}")


def read_body(response: urllib3.BaseHTTPResponse, registry: str, limit: int, what: str) -> bytes:
    """Return a body of at most `limit` bytes; UsageError (`registry-failed`) says of which answer it is not one."""
    import urllib3

    try:
        raw = response.read(limit + 1)
    except urllib3.exceptions.HTTPError as error:
        raise failed(registry, type(error).__name__) from None
    if len(raw) > limit:
        raise failed(registry, f"{what} is larger than {_LIMIT} bytes")
    return raw


def _read(response: urllib3.BaseHTTPResponse, reference: Reference, registry: str) -> tuple[bytes, str, str]:
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
    if media_type not in _KINDS:
        raise UsageError(
            "not-a-manifest",
            "What the registry answered is no image that envlock reads.",
            where=str(reference),
            expected="an OCI image or index, or Docker's (schema 2)",
            found=media_type or "no media type",
            hint="Is this a registry? Images of the old schema 1 have to be pushed again by a newer docker.",
        )
    raw = read_body(response, registry, _LIMIT, "its image manifest")
    found = digest_of(raw)
    # A tag's digest is the registry's word; under a digest the bytes must be that digest's.
    for expected in (reference.digest, response.headers.get("Docker-Content-Digest")):
        if expected is not None and expected.startswith("sha256:") and expected != found:
            raise mismatch(reference, expected, found)
    return raw, media_type, found
