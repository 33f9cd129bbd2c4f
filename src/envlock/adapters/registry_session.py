"""HTTP to registries: hosts and mirrors, tokens, redirects and retries, for pulls as for pushes."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urljoin, urlsplit

from envlock.adapters.credentials import basic
from envlock.adapters.http_errors import retry_after
from envlock.adapters.registry_auth import Credentials, challenges, docker_credentials
from envlock.adapters.registry_hosts import Hosts, is_loopback
from envlock.errors import UsageError

if TYPE_CHECKING:
    import urllib3

_ATTEMPTS = 5
_REDIRECTS = 5
_LONGEST_WAIT_S = 60.0
_TRANSIENT = (408, 429, 500, 502, 503, 504)
_TOKEN_LIMIT = 1 << 20
_DAEMON = Path("/etc/docker/daemon.json")


class Session:
    """Requests to registries, each with what its host asks for. Safe to use from several threads.

    Args:
        environment: where mirrors and certificate bundles are named.
        daemon: the Engine's configuration, whose `registry-mirrors` stand for Docker's default registry.
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
        self._credentials = credentials
        self._sleep = sleep
        self._guard = threading.Lock()
        self._tokens: dict[tuple[str, str], str] = {}

    @contextlib.contextmanager
    def request(
        self,
        method: str,
        url: str,
        *,
        registry: str,
        scope: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | Callable[[], Iterable[bytes]] | None = None,
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """Open the answer to a request, whatever its status, with its body unread.

        What is transient is asked again, as late as Retry-After says. Redirects of GET and HEAD are followed, and
        no other host than the registry's own sees its credentials. `scope` is the access that a token is asked for
        (distribution/spec/auth/scope). A `body` that is not bytes is a function, called anew for each attempt.
        Raises UsageError (`registry-failed`, `offline`, `registry-denied`).
        """
        response = self._answer(method, url, registry, scope, dict(headers or {}), body)
        try:
            yield response
        finally:
            response.close()

    def _answer(
        self,
        method: str,
        url: str,
        registry: str,
        scope: str,
        headers: dict[str, str],
        body: bytes | Callable[[], Iterable[bytes]] | None,
    ) -> urllib3.BaseHTTPResponse:
        home, asked, redirects = _origin(url), False, 0
        while True:
            own = _origin(url) == home
            token = self._tokens.get((home, scope)) if own else None
            sent = headers | ({"Authorization": token} if token else {})
            response = self._tried(method, url, sent, body)
            if response.status == 401 and own and not asked:
                asked = True
                offered = response.headers.getlist("WWW-Authenticate")
                response.close()
                granted = self._authorization(offered, registry, scope, home)
                if granted is None:
                    raise denied(registry, 401)
                with self._guard:
                    self._tokens[(home, scope)] = granted
                continue
            location = response.headers.get("Location")
            if response.status in (301, 302, 303, 307, 308) and location and method in ("GET", "HEAD"):
                response.close()
                redirects += 1
                url = urljoin(url, location)
                if redirects > _REDIRECTS or not _is_safe(url):
                    raise failed(registry, "it redirects in circles, or to a place without TLS")
                continue
            return response

    def _tried(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | Callable[[], Iterable[bytes]] | None
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
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                response = self.hosts.pool(url).request(
                    method,
                    url,
                    headers={"User-Agent": "envlock", "Accept-Encoding": "identity", **headers},
                    body=body() if callable(body) else body,
                    preload_content=False,
                    redirect=False,
                    retries=False,
                )
            except urllib3.exceptions.HTTPError as error:
                if attempt == _ATTEMPTS or isinstance(error, urllib3.exceptions.SSLError):
                    raise failed(host, _cause(error)) from None
                self._sleep(0.5 * 2 ** (attempt - 1))
                continue
            if response.status not in _TRANSIENT or attempt == _ATTEMPTS:
                return response
            wait = retry_after(response)
            response.close()
            if wait is not None and wait > _LONGEST_WAIT_S:
                raise failed(host, f"it answers {response.status} and asks to come back in {wait:.0f} s")
            self._sleep(0.5 * 2 ** (attempt - 1) if wait is None else wait)
        raise AssertionError  # the last attempt returns or raises

    def _authorization(self, offered: list[str], registry: str, scope: str, home: str) -> str | None:
        """Return the Authorization header that a challenge asks for, None where there is nothing to give."""
        ways = {challenge.scheme: challenge.parameters for challenge in challenges(offered)}
        credentials = self._credentials(registry)
        if "bearer" in ways:
            return self._bearer(ways["bearer"], credentials, registry, scope)
        if "basic" in ways and credentials is not None and not credentials.refreshes and _is_safe(home):
            return basic(credentials.user, credentials.secret)
        return None

    def _bearer(self, parameters: Mapping[str, str], credentials: Credentials | None, registry: str, scope: str) -> str:
        """Ask the token server (distribution/spec/auth/token, oauth)."""
        import urllib3

        realm = parameters.get("realm", "")
        if not _is_safe(realm):
            raise failed(registry, "it names a token server without TLS")
        asked = {"service": parameters.get("service", ""), "scope": scope}
        asked = {key: value for key, value in asked.items() if value}
        if credentials is not None and credentials.refreshes:
            form = asked | {
                "grant_type": "refresh_token",
                "client_id": "envlock",
                "refresh_token": credentials.secret,
            }
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            response = self._tried("POST", realm, headers, urlencode(form).encode())
        else:
            headers = {"Authorization": basic(credentials.user, credentials.secret)} if credentials is not None else {}
            joint = "&" if urlsplit(realm).query else "?"
            response = self._tried("GET", f"{realm}{joint}{urlencode(asked)}", headers, None)
        try:
            if response.status in (400, 401, 403):
                raise denied(registry, response.status)
            if response.status != 200:
                raise failed(registry, f"its token server answered {response.status}")
            answer = json.loads(response.read(_TOKEN_LIMIT))
            token = answer.get("token") or answer.get("access_token")
        except (ValueError, AttributeError, urllib3.exceptions.HTTPError):
            token = None
        finally:
            response.close()
        if not isinstance(token, str) or not token.isprintable():
            raise failed(registry, "its token server gave no token")
        return f"Bearer {token}"


def denied(registry: str, status: int) -> UsageError:
    """Return the error of a registry that asks for credentials, or for other ones."""
    return UsageError(
        "registry-denied",
        "The registry does not let us in.",
        where=registry or "Docker's default registry",
        found=f"{status}",
        hint=f"Log in as docker does: docker login {registry}".rstrip() + "; is the name of the image right?",
    )


def failed(registry: str, why: str) -> UsageError:
    """Return the error of a registry that cannot be used."""
    return UsageError(
        "registry-failed",
        "The registry cannot be used.",
        where=registry or "Docker's default registry",
        found=why,
        hint="Check the network, the proxy and SSL_CERT_FILE, then run the command again.",
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    return f"{parts.scheme}://{parts.hostname}:{port}"


def _is_safe(url: str) -> bool:
    """Tell whether secrets and unverified names may travel there: TLS, or this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))


def _cause(error: Exception) -> str:
    """Return the innermost cause by its own words, without addresses and URLs."""
    while isinstance(getattr(error, "reason", None), Exception):
        error = error.reason  # type: ignore[attr-defined]
    deepest: BaseException = error
    while deepest.__context__ is not None:
        deepest = deepest.__context__
    return getattr(deepest, "strerror", None) or type(error).__name__
