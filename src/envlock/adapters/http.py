"""The one HTTP client: streamed downloads checked by digest, range requests, credentials for those they are for."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import msgspec
import urllib3
from urllib3.util import Retry, Timeout

from envlock.adapters.credentials import Credentials, basic
from envlock.adapters.http_errors import failed, refusal, refuse_web_page, retry_after
from envlock.errors import IntegrityError, UsageError
from envlock.model.edges import Task
from envlock.model.index import redact, url_origin, without_login

_PIECE = 1 << 18
_ATTEMPTS = 4
_HOPS = 10
_BUSY = (429, 500, 502, 503, 504)
_REFUSED = (401, 403, 404)
"""What servers answer to those who did not say who they are; some hide with 404 that there is anything."""
_LONGEST_WAIT = 30
"""Seconds of a Retry-After that are waited; a longer one is told."""
_BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE")


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A small answer whole."""

    url: str
    """After redirects: where relative links begin."""
    kind: str
    """The media type, without parameters."""
    body: bytes


def _trusting_context() -> ssl.SSLContext:
    """Return what all connections verify servers by: urllib3 alone would read the bundle again for each of them."""
    context = urllib3.util.create_urllib3_context()
    bundle = next((path for name in _BUNDLES if (path := os.environ.get(name)) and Path(path).is_file()), None)
    if bundle is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(bundle)
    return context


class Http:
    """urllib3 with this machine's proxies and certificate bundle; implements `model.edges.Downloads`."""

    def __init__(
        self,
        *,
        offline: bool = False,
        credentials: Credentials | None = None,
        insecure_hosts: tuple[str, ...] = (),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._offline = offline
        self._credentials = credentials or Credentials()
        self._insecure = {_host_and_port(host) for host in insecure_hosts}
        self._sleep = sleep
        # Statuses and redirects are dealt with here; urllib3 tries again where the connection itself failed.
        retry = Retry(total=4, other=1, status=0, backoff_factor=0.5, respect_retry_after_header=False)
        self._options = {"retries": retry, "timeout": Timeout(connect=20, read=60), "maxsize": 16}
        self._pools: dict[tuple[str | None, bool], urllib3.PoolManager] = {}
        self._pools_guard = threading.Lock()

    def _pool(self, url: str) -> urllib3.PoolManager:
        parts = urlsplit(url)
        bypass = urllib.request.proxy_bypass(parts.hostname or "")
        proxy = None if bypass else urllib.request.getproxies().get(parts.scheme)
        host = (parts.hostname or "").lower()
        insecure = bool({host, f"{host}:{parts.port or 443}"} & self._insecure)
        with self._pools_guard:
            if (proxy, insecure) not in self._pools:
                trust = {"cert_reqs": "CERT_NONE"} if insecure else {"ssl_context": _trusting_context()}
                options = {**self._options, **trust}
                if insecure:
                    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
                self._pools[proxy, insecure] = (
                    urllib3.ProxyManager(without_login(proxy), proxy_headers=_login_of(proxy), **options)  # type: ignore[arg-type]
                    if proxy
                    else urllib3.PoolManager(**options)  # type: ignore[arg-type]
                )
            return self._pools[proxy, insecure]

    @contextlib.contextmanager
    def _open(self, url: str, headers: dict[str, str]) -> Iterator[tuple[str, urllib3.BaseHTTPResponse]]:
        """Yield the answer and the URL that gave it in the end; UsageError for every status from 400 on."""
        if self._offline:
            raise UsageError(
                "offline",
                "This needs a download, and --offline forbids it.",
                where=redact(url),
                hint="Leave --offline out.",
            )
        url = _joined(url, "")
        sent = {"Accept-Encoding": "identity", "User-Agent": "envlock", **headers}
        for _ in range(_HOPS):
            response = self._patiently(url, sent)
            try:
                location = response.headers.get("Location")
                if response.status in (301, 302, 303, 307, 308) and location:
                    target = _joined(without_login(url), location)
                    # Within one origin the credentials of the URL itself go on; another server is never told them.
                    own = urlsplit(url).netloc.rpartition("@")[0]
                    if own and url_origin(target) == url_origin(url) and "@" not in urlsplit(target).netloc:
                        target = target.replace("://", f"://{own}@", 1)
                    url = target
                    continue
                if response.status >= 400:
                    raise refusal(url, response)
                yield without_login(url), response
                return
            finally:
                response.close()
        raise UsageError("fetch-failed", f"The server redirects more than {_HOPS} times.", where=redact(url))

    def _patiently(self, url: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        """Ask until the server is not busy, with credentials once it refuses to answer without."""
        pair, asked = self._credentials.for_url(url), False
        for attempt in range(1, _ATTEMPTS + 1):
            response = self._request(url, headers, pair)
            if response.status in _REFUSED and not asked and (pair is None or response.status == 401):
                asked, other = True, self._credentials.after_refusal(url)
                if other is not None and other != pair:
                    response.close()
                    pair, response = other, self._request(url, headers, other)
            wait = retry_after(response)
            if response.status not in _BUSY or attempt == _ATTEMPTS or (wait or 0) > _LONGEST_WAIT:
                return response
            response.close()
            self._sleep(wait if wait is not None else 0.5 * 2 ** (attempt - 1))
        return response

    def _request(self, url: str, headers: dict[str, str], pair: tuple[str, str] | None) -> urllib3.BaseHTTPResponse:
        bare = without_login(url)
        if pair is not None:
            headers = headers | {"Authorization": basic(*pair)}
        try:
            return self._pool(bare).request("GET", bare, headers=headers, preload_content=False, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            raise failed(url, error) from None

    def get(self, url: str, *, limit: int) -> bytes:
        """Return a small body whole."""
        return self.page(url, limit=limit).body

    def page(self, url: str, *, limit: int, accept: str = "*/*") -> Page:
        """Return a small answer whole, with where it came from and what it is."""
        with self._open(url, {"Accept": accept}) as (final, response), _reading(url):
            body = response.read(limit + 1)
            kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if len(body) > limit:
            raise UsageError("fetch-failed", f"The answer is larger than {limit} bytes.", where=redact(url))
        return Page(url=final, kind=kind, body=body)

    def get_range(self, url: str, start: int, end: int) -> bytes:
        """Return the bytes [start, end), or the last -start bytes where start is negative (RFC 9110, 14.1.2)."""
        wanted = f"bytes={start}" if start < 0 else f"bytes={start}-{end - 1}"
        with self._open(url, {"Range": wanted}) as (_, response), _reading(url):
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
                    with self._open(url, headers) as (_, response):
                        if done and response.status != 206:
                            file.seek(0)
                            file.truncate()
                            progress.advance(-done)
                            digest, done = hashlib.sha256(), 0
                        try:
                            for piece in response.stream(_PIECE):
                                if not done:
                                    refuse_web_page(url, response, piece)
                                file.write(piece)
                                digest.update(piece)
                                done += len(piece)
                                progress.advance(len(piece))
                                if size is not None and done > size:
                                    break
                            break
                        except urllib3.exceptions.HTTPError as error:
                            if attempt == _ATTEMPTS:
                                raise failed(url, error) from None
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


def _joined(url: str, location: str) -> str:
    """Return where a link leads; UsageError (`bad-url`) for what an index or server made up."""
    try:
        target = urljoin(url, location)
        url_origin(target)
    except ValueError:
        raise UsageError(
            "bad-url",
            "A link of the server is no URL." if location else "This is no URL.",
            where=redact(url) if location else "",
            hint="Tell whoever runs the index, or use another one.",
        ) from None
    return target


def _login_of(proxy: str) -> dict[str, str]:
    parts = urlsplit(proxy)
    if parts.username is None:
        return {}
    return {"Proxy-Authorization": basic(unquote(parts.username), unquote(parts.password or ""))}


def _host_and_port(text: str) -> str:
    """Return what pip and uv let a trusted host be, a host, host:port or URL, as the first or second of them."""
    return (urlsplit(text).netloc if "://" in text else text).rpartition("@")[2].lower()


@contextlib.contextmanager
def _reading(url: str) -> Iterator[None]:
    try:
        yield
    except urllib3.exceptions.HTTPError as error:
        raise failed(url, error) from None
