"""Layers on their way into a registry (distribution-spec, pushing blobs): mounted where it has them, else streamed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec

from envlock.adapters.registry_errors import TRANSIENT, Refusal, damaged, denied, failed, refusal, upload_refused
from envlock.adapters.registry_hosts import is_safe
from envlock.adapters.registry_session import ATTEMPTS, Body, Session
from envlock.adapters.registry_tokens import pull_scope, push_scope
from envlock.errors import UsageError
from envlock.model.reference import Reference

if TYPE_CHECKING:
    import urllib3

_WRITE = 1 << 16
"""Bytes handed to a socket at once: its timeout is for all of them, and slow lines exist."""
_PIECE = 4 << 20
"""Bytes of a request where a blob goes in pieces; some registries refuse longer ones there."""
_LONGEST_PIECE = 64 << 20
_TAKEN = (200, 201, 202, 204)
"""The specification names one status for each step, and registries answer others of these."""
_ANOTHER_WAY = (400, 404, 405, 411, 413, 415, 416, 501)
_FRESH_SESSION = frozenset({"BLOB_UPLOAD_UNKNOWN", "SIZE_INVALID"})
"""Codes of sessions that are lost, or got fewer bytes than were sent."""
_BYTES = {"Content-Type": "application/octet-stream"}


class _Blob(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent, and where to."""

    reference: Reference
    digest: str
    size: int
    chunks: Callable[[], Iterator[bytes]]

    def stream(self) -> Iterator[bytes]:
        """Yield the bytes; IntegrityError where they are more or fewer than the blob has.

        The last of them leave only when they are known to be the last, so that no registry takes a blob for whole
        whose upload then fails.
        """
        sent, held = 0, b""
        for chunk in self.chunks():
            sent += len(chunk)
            if sent > self.size:
                break
            for start in range(0, len(chunk), _WRITE):
                if held:
                    yield held
                held = chunk[start : start + _WRITE]
        if sent != self.size:
            raise damaged(self.reference.at(self.digest), f"{self.size} bytes", f"{sent} bytes or more")
        if held:
            yield held

    def pieces(self, length: int) -> Iterator[bytes]:
        """Yield the bytes in pieces of one length, but for the last."""
        held = bytearray()
        for part in self.stream():
            held += part
            while len(held) >= length:
                yield bytes(held[:length])
                del held[:length]
        if held or not self.size:
            yield bytes(held)


class _Place(msgspec.Struct, frozen=True, kw_only=True):
    """An upload session: where its bytes go, and how long the registry wants a piece to be at least."""

    url: str
    piece: int = 0


class Uploads:
    """Sends blobs; remembers the sessions that missed mounts opened, and what each registry does not understand.

    Safe to use from several threads.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._guard = threading.Lock()
        self._opened: dict[tuple[str, str, str], _Place] = {}
        self._way: dict[str, int] = {}

    def mount(self, reference: Reference, digest: str, source: Reference) -> bool:
        """See `model.edges.Registry.mount`; the session that a registry opens instead serves the upload."""
        if source.registry != reference.registry:
            return False
        scope = f"{push_scope(reference)} {pull_scope(source)}"
        query = {"mount": digest, "from": source.repository}
        try:
            with self._open(reference, query, scope) as response:
                if response.status == 201:
                    _same_digest(response, reference, digest)
                    return True
                if response.status == 202:
                    with self._guard:
                        self._opened[_key(reference, digest)] = _place(response, reference)
                elif response.status in TRANSIENT:
                    raise failed(reference.registry, str(refusal(response)))
        except UsageError as error:
            if error.reference != "registry-denied":  # of the other repository; of this one the upload will say it
                raise
        return False

    def send(self, reference: Reference, digest: str, size: int, chunks: Callable[[], Iterator[bytes]]) -> None:
        """See `model.edges.Registry.upload`.

        A session that broke is never taken up: what it holds is not known. The ways are, first to last: one PUT, one
        PATCH as docker sends it, and PATCHes of some MiB each.
        """
        blob = _Blob(reference=reference, digest=digest, size=size, chunks=chunks)
        ways = (self._whole, self._streamed, self._in_pieces)
        way, attempt = self._way.get(reference.registry, 0), 1
        while True:
            with self._guard:
                missed = self._opened.pop(_key(reference, digest), None)
            place = missed or self._begin(reference)
            try:
                refused = ways[way](blob, place)
            except UsageError as error:
                if error.reference != "registry-failed" or attempt == ATTEMPTS:
                    raise
                self._session.pause(reference.registry, attempt, None)
                attempt += 1
                continue
            if refused is None:
                self._way[reference.registry] = way
                return
            again = refused.is_transient or not _FRESH_SESSION.isdisjoint(refused.codes)
            if again and attempt < ATTEMPTS:
                self._session.pause(reference.registry, attempt, refused.wait, refused.status)
                attempt += 1
            elif not again and missed is None and refused.status in _ANOTHER_WAY and way + 1 < len(ways):
                way += 1
            elif again or missed is None:  # else the session of the mount was too old, and a fresh one tells more
                raise upload_refused(reference.at(digest), refused)

    def _begin(self, reference: Reference) -> _Place:
        with self._open(reference, {}, push_scope(reference)) as response:
            if response.status != 202:
                found = refusal(response)
                if found.status in (401, 403):
                    raise denied(reference.registry, found)
                raise upload_refused(reference, found)
            return _place(response, reference)

    def _open(
        self, reference: Reference, query: Mapping[str, str], scope: str
    ) -> AbstractContextManager[urllib3.BaseHTTPResponse]:
        registry = reference.registry
        url = f"{self._session.hosts.root(registry)}/v2/{reference.repository}/blobs/uploads/"
        if query:
            url += f"?{urlencode(query)}"
        return self._session.request("POST", url, registry=registry, scope=scope)

    def _whole(self, blob: _Blob, place: _Place) -> Refusal | None:
        """One PUT of all bytes."""
        return self._put(blob, place, blob.stream if blob.size else b"")

    def _streamed(self, blob: _Blob, place: _Place) -> Refusal | None:
        """One PATCH of all bytes, and a PUT that ends it."""
        headers = _BYTES | {"Content-Length": str(blob.size)}
        with self._send("PATCH", place.url, blob, headers, blob.stream if blob.size else b"") as response:
            if response.status not in _TAKEN:
                return _refusal(response, blob)
            after = _place(response, blob.reference, place)
        return self._put(blob, after, None)

    def _in_pieces(self, blob: _Blob, place: _Place) -> Refusal | None:
        """A PATCH for each piece, and a PUT that ends them."""
        length = max(_PIECE, place.piece)
        if length > _LONGEST_PIECE:
            return Refusal(status=202, explanation=f"it wants pieces of {length} bytes at least")
        start = 0
        for piece in blob.pieces(length):
            headers = _BYTES | {"Content-Range": f"{start}-{max(start, start + len(piece) - 1)}"}
            with self._send("PATCH", place.url, blob, headers, piece) as response:
                if response.status not in _TAKEN:
                    return _refusal(response, blob)
                place = _place(response, blob.reference, place)
            start += len(piece)
        return self._put(blob, place, None)

    def _put(self, blob: _Blob, place: _Place, body: Body | None) -> Refusal | None:
        url = f"{place.url}{'&' if '?' in place.url else '?'}{urlencode({'digest': blob.digest})}"
        headers = _BYTES | {"Content-Length": str(blob.size if body is not None else 0)}
        with self._send("PUT", url, blob, headers, body) as response:
            if response.status not in _TAKEN:
                return _refusal(response, blob)
            _same_digest(response, blob.reference, blob.digest)
        return None

    def _send(
        self, method: str, url: str, blob: _Blob, headers: Mapping[str, str], body: Body | None
    ) -> AbstractContextManager[urllib3.BaseHTTPResponse]:
        reference = blob.reference
        return self._session.request(
            method, url, registry=reference.registry, scope=push_scope(reference), headers=headers, body=body, once=True
        )


def _key(reference: Reference, digest: str) -> tuple[str, str, str]:
    return reference.registry, reference.repository, digest


def _place(response: urllib3.BaseHTTPResponse, reference: Reference, before: _Place | None = None) -> _Place:
    """Return where the next bytes go, maybe to another host, or to the same place as before."""
    location = response.headers.get("Location") or (before.url if before else None)
    if not location:
        raise failed(reference.registry, "it opens an upload without saying where")
    if not is_safe(location):
        raise failed(
            reference.registry, "it wants layers sent without TLS (a proxy before it has to say that it has TLS)"
        )
    wanted = response.headers.get("OCI-Chunk-Min-Length", "")
    piece = int(wanted) if wanted.isdecimal() else before.piece if before else 0
    return _Place(url=location, piece=piece)


def _refusal(response: urllib3.BaseHTTPResponse, blob: _Blob) -> Refusal:
    found = refusal(response)
    if "DIGEST_INVALID" in found.codes:
        raise damaged(blob.reference.at(blob.digest), blob.digest, str(found))
    if found.status in (401, 403):
        raise denied(blob.reference.registry, found)
    return found


def _same_digest(response: urllib3.BaseHTTPResponse, reference: Reference, digest: str) -> None:
    found = response.headers.get("Docker-Content-Digest", digest)
    if found.startswith("sha256:") and found != digest:
        raise damaged(reference.at(digest), digest, found)
