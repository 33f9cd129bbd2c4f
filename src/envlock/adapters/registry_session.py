"""HTTP to registries: hosts and mirrors, tokens, redirects and retries, for pulls as for pushes."""

from __future__ import annotations

import contextlib
import os
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from envlock.adapters.http_errors import retry_after
from envlock.adapters.registry_auth import Credentials, docker_credentials
from envlock.adapters.registry_errors import TRANSIENT, denied, failed
from envlock.adapters.registry_hosts import Hosts, is_safe
from envlock.adapters.registry_tokens import Tokens
from envlock.errors import UsageError

if TYPE_CHECKING:
    import urllib3

ATTEMPTS = 5
_REDIRECTS = 5
_LONGEST_WAIT_S = 60.0
_CONNECT_S, _READ_S, _TAKE_S = 20, 60, 300
"""Registries on object stores move a large layer before they answer."""
_LITTLE = 1 << 16
_DAEMON = Path("/etc/docker/daemon.json")

Body = bytes | Callable[[], Iterable[bytes]]
"""Of a request: bytes, or a function that is called anew for each attempt."""


class Session:
    """Requests to registries, each with what its host asks for. Safe to use from several threads.

    Args:
        environment: where mirrors and certificate bundles are named.
        daemon: the Engine's configuration, whose `registry-mirrors` stand for Docker's default registry; the
            certificates of registries are in `certs.d` beside it.
        credentials: of a registry, as Docker's configuration has them.
        sleep: waits for that many seconds.
    """

    def __init__(
        self,
        *,
        offline: bool = False,
        environment: Mapping[str, str] | None = None,
        daemon: Path = _DAEMON,
        credentials: Callable[[str], Credentials | None] = docker_credentials,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._offline = offline
        self.hosts = Hosts(os.environ if environment is None else environment, daemon, offline=offline)
        self._sleep = sleep
        self._tokens = Tokens(self._tried, credentials)

    @contextlib.contextmanager
    def request(
        self,
        method: str,
        url: str,
        *,
        registry: str,
        scope: str,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        once: bool = False,
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """Open the answer to a request, whatever its status, with its body unread.

        What is transient is asked again, as late as Retry-After says, unless `once`. Redirects are followed where
        the method stays, and no other host than the registry's own sees its credentials, also where `url` is not
        there. A Location is given absolute. `scope` is the access that a token is asked for.
        Raises UsageError (`registry-failed`, `offline`, `registry-denied`).
        """
        response = self._answer(method, url, registry, scope, dict(headers or {}), body, once=once)
        try:
            yield response
        finally:
            _finish(response)

    def pause(self, host: str, attempt: int, wait: float | None, status: int | None = None) -> None:
        """Wait before the attempt that follows `attempt` (from 1), as long as the registry asks to.

        Raises UsageError (`registry-failed`) where that is too long.
        """
        if wait is not None and wait > _LONGEST_WAIT_S:
            raise failed(host, f"it answers {status} and asks to come back in {wait:.0f} s")
        self._sleep(0.5 * 2 ** (attempt - 1) if wait is None else wait)

    def _answer(
        self,
        method: str,
        url: str,
        registry: str,
        scope: str,
        headers: dict[str, str],
        body: Body | None,
        *,
        once: bool,
    ) -> urllib3.BaseHTTPResponse:
        home, asked, redirects = _origin(self.hosts.root(registry)), False, 0
        followed = (301, 302, 303, 307, 308) if method in ("GET", "HEAD") else (307, 308)
        if not is_safe(url, home):
            raise failed(registry, "it names a place without TLS")
        while True:
            own = _origin(url) == home
            token = self._tokens.held(home, scope) if own else None
            sent = headers | ({"Authorization": token} if token else {})
            response = self._tried(method, url, sent, body, once=once)
            if response.status == 401 and own and not asked:
                asked = True
                offered = response.headers.getlist("WWW-Authenticate")
                _finish(response)
                if not self._tokens.renewed(offered, registry=registry, home=home, scope=scope, refused=token):
                    raise denied(registry, 401)
                continue
            location = response.headers.get("Location")
            if location:
                location = response.headers["Location"] = _joined(url, location)
            if response.status in followed and location:
                _finish(response)
                redirects += 1
                url = location
                if redirects > _REDIRECTS or not is_safe(url, home):
                    raise failed(registry, "it redirects in circles, or to a place without TLS")
                continue
            return response

    def _tried(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | None, *, once: bool = False
    ) -> urllib3.BaseHTTPResponse:
        import urllib3

        host = urlsplit(url).netloc.rpartition("@")[2]
        if self._offline:
            raise UsageError(
                "offline",
                "This needs a registry, and --offline forbids it.",
                where=host,
                hint="Leave --offline out.",
            )
        last = 1 if once else ATTEMPTS
        for attempt in range(1, last + 1):
            try:
                response = self.hosts.pool(url).request(
                    method,
                    url,
                    headers={"User-Agent": "envlock", "Accept-Encoding": "identity", **headers},
                    body=body() if callable(body) else body,
                    preload_content=False,
                    # No coding was asked for, and one that is there all the same may inflate to any size.
                    decode_content=False,
                    redirect=False,
                    retries=False,
                    timeout=urllib3.Timeout(connect=_CONNECT_S, read=_READ_S if body is None else _TAKE_S),
                )
            except urllib3.exceptions.HTTPError as error:
                if attempt == last or _is_hopeless(error):
                    raise failed(host, _cause(error)) from None
                self.pause(host, attempt, None)
                continue
            if response.status not in TRANSIENT or attempt == last:
                return response
            wait = retry_after(response)
            _finish(response)
            self.pause(host, attempt, wait, response.status)
        raise AssertionError  # the last attempt returns or raises


def _finish(response: urllib3.BaseHTTPResponse) -> None:
    """Keep the connection for the next request where little or nothing is left to read, else close it."""
    left = response.length_remaining
    if left is not None and left <= _LITTLE:
        response.drain_conn()
    response.close()


def _joined(url: str, location: str) -> str:
    """Return a place absolute; what is no URL stays as it is, and is refused where it is used."""
    try:
        return urljoin(url, location)
    except ValueError:
        return location


def _origin(url: str) -> str:
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    return f"{parts.scheme}://{parts.hostname}:{port}"


def _is_hopeless(error: Exception) -> bool:
    """Tell whether another attempt fares no better: TLS that cannot be agreed on, not a connection that broke."""
    reason = getattr(error, "reason", None) or (error.args[0] if error.args else None)
    return isinstance(reason, ssl.SSLError) and not isinstance(reason, ssl.SSLEOFError | ssl.SSLZeroReturnError)


def _cause(error: Exception) -> str:
    """Return the innermost cause by its own words, without addresses and URLs."""
    while isinstance(getattr(error, "reason", None), Exception):
        error = error.reason  # type: ignore[attr-defined]
    deepest: BaseException = error
    while deepest.__context__ is not None:
        deepest = deepest.__context__
    return getattr(deepest, "strerror", None) or type(error).__name__
