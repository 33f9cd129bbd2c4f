"""The one HTTP client: streamed downloads checked by digest, and range requests."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import urllib3
from urllib3.util import Retry, Timeout

from envlock.errors import IntegrityError, UsageError
from envlock.model.edges import Task

_PIECE = 1 << 18
_ATTEMPTS = 4
_CONNECTION = re.compile(r"<[^>]*>: |^\('|', .*$|^[A-Za-z]+\([^)]*\): ")
"""What urllib3 says of its own objects around a cause."""
_BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE")


def redact(url: str) -> str:
    """Return a URL without user name and password, query or fragment, fit for messages and logs."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.port:
        host += f":{parts.port}"
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


class Http:
    """urllib3 with this machine's proxies and certificate bundle; implements `model.edges.Downloads`."""

    def __init__(self, *, offline: bool = False) -> None:
        self._offline = offline
        retry = Retry(total=4, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504), raise_on_status=False)
        bundle = next((path for name in _BUNDLES if (path := os.environ.get(name)) and Path(path).is_file()), None)
        self._options = {"retries": retry, "timeout": Timeout(connect=20, read=60), "ca_certs": bundle, "maxsize": 16}
        self._pools: dict[str | None, urllib3.PoolManager] = {}

    def _pool(self, url: str) -> urllib3.PoolManager:
        parts = urlsplit(url)
        bypass = urllib.request.proxy_bypass(parts.hostname or "")
        proxy = None if bypass else urllib.request.getproxies().get(parts.scheme)
        if proxy not in self._pools:
            self._pools[proxy] = (
                urllib3.ProxyManager(proxy, **self._options) if proxy else urllib3.PoolManager(**self._options)  # type: ignore[arg-type]
            )
        return self._pools[proxy]

    @contextlib.contextmanager
    def _open(self, url: str, headers: dict[str, str]) -> Iterator[urllib3.BaseHTTPResponse]:
        if self._offline:
            raise UsageError(
                "offline",
                "This needs a download, and --offline forbids it.",
                where=redact(url),
                hint="Leave --offline out.",
            )
        parts = urlsplit(url)
        sent = {"Accept-Encoding": "identity", "User-Agent": "envlock", **headers}
        if parts.username:
            sent |= urllib3.make_headers(basic_auth=f"{parts.username}:{parts.password or ''}")
            url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        try:
            response = self._pool(url).request("GET", url, headers=sent, preload_content=False)
        except urllib3.exceptions.HTTPError as error:
            raise _failed(url, error) from None
        try:
            if response.status >= 400:
                missing = response.status in (404, 410)
                raise UsageError(
                    "not-found" if missing else "fetch-failed",
                    f"The server answered {response.status}.",
                    where=redact(url),
                    hint="Credentials may be missing." if response.status in (401, 403) else "",
                )
            yield response
        finally:
            response.close()

    def get(self, url: str, *, limit: int) -> bytes:
        """Return a small body whole."""
        with self._open(url, {}) as response, _reading(url):
            body = response.read(limit + 1)
        if len(body) > limit:
            raise UsageError("fetch-failed", f"The answer is larger than {limit} bytes.", where=redact(url))
        return body

    def get_range(self, url: str, start: int, end: int) -> bytes:
        """Return the bytes [start, end), or the last -start bytes where start is negative (RFC 9110, 14.1.2)."""
        wanted = f"bytes={start}" if start < 0 else f"bytes={start}-{end - 1}"
        with self._open(url, {"Range": wanted}) as response, _reading(url):
            if response.status != 206:
                raise LookupError(f"{redact(url)} does not serve ranges")
            size = -start if start < 0 else end - start
            body = response.read(size + 1)
        if len(body) != size:
            raise UsageError(
                "fetch-failed",
                "A range came back short.",
                where=redact(url),
                expected=f"{size} bytes",
                found=str(len(body)),
            )
        return body

    def download(self, url: str, destination: Path, *, sha256: str, size: int | None, progress: Task) -> None:
        """Stream a file to `destination`; a connection that breaks is taken up where it broke."""
        part = destination.with_name(f".{destination.name}.{os.getpid()}.{threading.get_ident()}.part")
        digest, done = hashlib.sha256(), 0
        try:
            with part.open("wb") as file:
                for attempt in range(1, _ATTEMPTS + 1):
                    headers = {"Range": f"bytes={done}-"} if done else {}
                    with self._open(url, headers) as response:
                        if done and response.status != 206:
                            file.seek(0)
                            file.truncate()
                            progress.advance(-done)
                            digest, done = hashlib.sha256(), 0
                        try:
                            for piece in response.stream(_PIECE):
                                file.write(piece)
                                digest.update(piece)
                                done += len(piece)
                                progress.advance(len(piece))
                            break
                        except urllib3.exceptions.HTTPError as error:
                            if attempt == _ATTEMPTS:
                                raise _failed(url, error) from None
            if (size is not None and done != size) or digest.hexdigest() != sha256:
                raise IntegrityError(
                    "download-mismatch",
                    "What was downloaded is not the locked file.",
                    where=redact(url),
                    expected=f"sha256 {sha256}" + (f", {size} bytes" if size is not None else ""),
                    found=f"sha256 {digest.hexdigest()}, {done} bytes",
                    hint="Try again; if it stays so, the index serves another file under this name.",
                )
            part.replace(destination)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise UsageError("disk-full", "The disk is full.", where=str(destination.parent)) from None
            raise
        finally:
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def _reading(url: str) -> Iterator[None]:
    try:
        yield
    except urllib3.exceptions.HTTPError as error:
        raise _failed(url, error) from None


def _failed(url: str, error: Exception) -> UsageError:
    cause = getattr(error, "reason", None) or error
    return UsageError(
        "fetch-failed",
        "The download failed.",
        where=redact(url),
        found=_CONNECTION.sub("", str(cause)),
        hint="Check the network, the proxy and SSL_CERT_FILE, then run the command again.",
    )
