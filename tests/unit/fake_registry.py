"""A registry of images in this process, over HTTP on loopback, as well or as badly behaved as a test asks."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from envlock.formats.oci import INDEX, digest_of

USER, PASSWORD = "ana", "s3cret-word"
Answer = tuple[int, Mapping[str, str], bytes]


class FakeRegistry:
    """Content, a way of authentication, habits, and answers to give instead.

    `auth` is None, `basic` or `bearer`; the tokens of `bearer` are worth what they were asked for. `instead` is asked
    before everything else, with method, path and how often that was asked, for another answer or None.
    """

    def __init__(self, auth: str | None = None) -> None:
        self.auth = auth
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.blobs: dict[str, bytes] = {}
        self.in_repository: dict[str, set[str]] = {}
        """Digests by repository, for a registry where a blob is in one alone until it is mounted; empty: in all."""
        self.sessions: dict[str, bytes] = {}
        """What upload sessions hold."""
        self.asked: list[tuple[str, str, Mapping[str, str]]] = []
        self.received = 0
        """Bytes of request bodies."""
        self.tokens = 0
        self.valid: dict[str, set[str]] = {}
        """What each token is worth: single actions."""
        self.refused_scopes: set[str] = set()
        """Actions that no token is given for."""
        self.mounts = True
        self.whole = True
        """Whether it takes a blob in one PUT."""
        self.patch_limit = 1 << 40
        """Bytes of the longest PATCH, 416 above it as GHCR."""
        self.needs_range = False
        """Whether a PATCH without Content-Range is refused."""
        self.patched = 202
        """What a PATCH is answered with; ECR says 201."""
        self.min_piece = 0
        self.relative = False
        """Whether Location is a path."""
        self.uploads_at = ""
        """Scheme, host and port of another server where uploads go."""
        self.has_referrers = False
        self.instead: Callable[[str, str, int], Answer | None] = lambda method, path, times: None
        self.address = ""

    def add(self, repository: str, tag: str, media_type: str, raw: bytes) -> str:
        """Hold a manifest under a tag and its digest."""
        digest = digest_of(raw)
        self.manifests[(repository, tag)] = self.manifests[(repository, digest)] = (media_type, raw)
        return digest

    def blob(self, raw: bytes) -> str:
        """Hold a blob."""
        self.blobs[digest_of(raw)] = raw
        return digest_of(raw)

    def paths(self, method: str | None = None) -> list[str]:
        """Return what was asked for."""
        return [path for asked, path, _ in self.asked if method in (None, asked)]

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer one request."""
        times = sum(path == before for _, before, _ in self.asked)
        self.asked.append((method, path, headers))
        self.received += len(body)
        other = self.instead(method, path, times)
        if other is not None:
            return other
        parts = urlsplit(path)
        if parts.path == "/token":
            return self._token(method, parse_qs(parts.query or body.decode()), headers)
        refused = self._refused(method, headers, parts.path, parse_qs(parts.query))
        if refused is not None:
            return refused
        if parts.path == "/v2/":
            return 200, {}, b"{}"
        repository, kind, name = parts.path.removeprefix("/v2/").rsplit("/", 2)
        if kind == "uploads":
            query = parse_qs(parts.query)
            return self._upload(method, repository.removesuffix("/blobs"), name, query, headers, body)
        if kind == "manifests" and method == "PUT":
            return self._put(repository, name, headers, body)
        if kind == "manifests" and (repository, name) in self.manifests:
            media_type, raw = self.manifests[(repository, name)]
            return 200, {"Content-Type": media_type, "Docker-Content-Digest": digest_of(raw)}, raw
        if kind == "referrers" and self.has_referrers:
            return 200, {"Content-Type": INDEX}, self._referrers(repository, name)
        if kind == "blobs" and self._holds(repository, name):
            raw = self.blobs[name]
            if wanted := headers.get("Range"):
                return 206, {}, raw[int(wanted.removeprefix("bytes=").rstrip("-")) :]
            return 200, {}, raw
        return 404, {"Content-Type": "application/json"}, b'{"errors":[]}'

    def _holds(self, repository: str, digest: str) -> bool:
        return digest in (self.in_repository.get(repository, set()) if self.in_repository else self.blobs)

    def _upload(
        self,
        method: str,
        repository: str,
        name: str,
        query: Mapping[str, list[str]],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Answer:
        if method == "POST":
            digest = query.get("mount", [""])[0]
            if digest and self.mounts and self._holds(query["from"][0], digest):
                self.in_repository.setdefault(repository, set()).add(digest)
                return 201, {"Docker-Content-Digest": digest}, b""
            name = f"session-{len(self.sessions)}"
            self.sessions[name] = b""
            return 202, self._location(repository, name), b""
        if name not in self.sessions:
            return error(404, "BLOB_UPLOAD_UNKNOWN")
        if method == "PATCH":
            if len(body) > self.patch_limit or (self.needs_range and "Content-Range" not in headers):
                return error(416, "BLOB_UPLOAD_INVALID")
            self.sessions[name] += body
            return self.patched, self._location(repository, name), b""
        if body and not self.whole:
            return error(405, "UNSUPPORTED")
        raw, digest = self.sessions.pop(name) + body, query["digest"][0]
        self.sessions[name + "-done"] = b""
        if digest_of(raw) != digest:
            return error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        self.blob(raw)
        self.in_repository.get(repository, set()).add(digest)
        return 201, {"Docker-Content-Digest": digest}, b""

    def _location(self, repository: str, name: str) -> Mapping[str, str]:
        root = self.uploads_at or ("" if self.relative else f"http://{self.address}")
        headers = {"Location": f"{root}/v2/{repository}/blobs/uploads/{name}?_state=a%2Fb"}
        return headers | ({"OCI-Chunk-Min-Length": str(self.min_piece)} if self.min_piece else {})

    def _put(self, repository: str, name: str, headers: Mapping[str, str], body: bytes) -> Answer:
        digest = self.add(repository, name, headers["Content-Type"], body)
        subject = json.loads(body).get("subject")
        told = {"OCI-Subject": subject["digest"]} if subject and self.has_referrers else {}
        return 201, {"Docker-Content-Digest": digest, **told}, b""

    def _referrers(self, repository: str, digest: str) -> bytes:
        """List what refers to a digest, without filtering, as registries may."""
        found = []
        for (held_in, name), (media_type, raw) in self.manifests.items():
            document = json.loads(raw)
            if held_in == repository and name == digest_of(raw) and document.get("subject", {}).get("digest") == digest:
                entry = {"mediaType": media_type, "digest": name, "size": len(raw)}
                found.append(entry | {"artifactType": document["artifactType"]})
        return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": found}).encode()

    def _refused(
        self, method: str, headers: Mapping[str, str], path: str, query: Mapping[str, list[str]]
    ) -> Answer | None:
        given = headers.get("Authorization", "")
        if self.auth == "basic" and given != _basic():
            return 401, {"WWW-Authenticate": 'Basic realm="fake, with = and \\"quotes\\""'}, b""
        if self.auth == "bearer":
            repository = path.removeprefix("/v2/").rsplit("/", 2)[0].removesuffix("/blobs")
            needed = (
                {f"repository:{repository}:{'pull' if method in ('GET', 'HEAD') else 'push'}"} if repository else set()
            )
            needed |= {f"repository:{name}:pull" for name in query.get("from", [])}
            if not needed <= self.valid.get(given.removeprefix("Bearer "), set()):
                realm = f'realm="http://{self.address}/token",service="fake",scope="ignored"'
                return 401, {"WWW-Authenticate": f"Bearer {realm}"}, b""
        return None

    def _token(self, method: str, asked: Mapping[str, list[str]], headers: Mapping[str, str]) -> Answer:
        known = headers.get("Authorization") == _basic() if method == "GET" else asked["refresh_token"] == ["refresh"]
        if not known:
            return 401, {}, b""
        self.tokens += 1
        token = f"token-{self.tokens}"
        scopes = [scope.rpartition(":") for one in asked.get("scope", []) for scope in one.split()]
        granted = {f"{resource}:{action}" for resource, _, actions in scopes for action in actions.split(",")}
        self.valid[token] = granted - self.refused_scopes
        field = "token" if method == "GET" else "access_token"
        return 200, {"Content-Type": "application/json"}, json.dumps({field: token}).encode()


def error(status: int, code: str, message: str = "") -> Answer:
    """Answer as registries refuse (distribution-spec, error codes)."""
    body = {"errors": [{"code": code, "message": message}]}
    return status, {"Content-Type": "application/json"}, json.dumps(body).encode()


def _basic() -> str:
    return "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@contextmanager
def serving(registry: FakeRegistry) -> Iterator[str]:
    """Serve a registry on a loopback port; yields host:port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, raw = registry.answer(self.command, self.path, dict(self.headers.items()), body)
            self.send_response(status)
            size = headers.get("Content-Length", str(len(raw)))
            for key, value in {**headers, "Content-Length": size}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(raw)
            if int(size) != len(raw):
                self.close_connection = True

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = handle_any  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    registry.address = f"127.0.0.1:{server.server_address[1]}"
    try:
        yield registry.address
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
