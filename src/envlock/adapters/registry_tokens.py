"""What registries are told of who asks: Authorization headers, each for one host and no more than it covers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlencode, urlsplit

from envlock.adapters.credentials import basic
from envlock.adapters.registry_auth import Credentials, challenges
from envlock.adapters.registry_errors import denied, failed, refusal
from envlock.adapters.registry_hosts import is_safe
from envlock.model.reference import Reference

if TYPE_CHECKING:
    import urllib3

_LIMIT = 1 << 20


class Send(Protocol):
    """Sends one request as it stands, again where the answer is transient."""

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> urllib3.BaseHTTPResponse:
        """Return the answer with its body unread."""


class Tokens:
    """Keeps what hosts granted until they refuse it. Safe to use from several threads.

    A scope is what a token is asked for (distribution/spec/auth/scope), several of them separated by spaces:
    ``repository:team/churn:pull,push repository:team/base:pull``.
    """

    def __init__(self, send: Send, credentials: Callable[[str], Credentials | None]) -> None:
        self._send = send
        self._credentials = credentials
        self._guard = threading.Lock()
        self._asking = threading.Lock()
        self._granted: dict[str, dict[frozenset[str], str]] = {}

    def held(self, home: str, scope: str) -> str | None:
        """Return the header that a host granted for this scope, or for more than it."""
        wanted = _actions(scope)
        with self._guard:
            granted = self._granted.get(home, {})
            if wanted in granted:
                return granted[wanted]
            return next((header for actions, header in granted.items() if wanted <= actions or not actions), None)

    def renewed(self, offered: list[str], *, registry: str, home: str, scope: str, refused: str | None) -> str | None:
        """Return another header than the one that a host refused; None where there is nothing to give.

        `offered` are the values of its WWW-Authenticate headers. Threads that were refused together ask once.
        Raises UsageError (`registry-denied`, `registry-failed`).
        """
        with self._asking:
            known = self.held(home, scope)
            if known is not None and known != refused:
                return known
            ways = {challenge.scheme: challenge.parameters for challenge in challenges(offered)}
            credentials = self._credentials(registry)
            if "bearer" in ways:
                header, actions = self._bearer(ways["bearer"], credentials, registry, home, scope), _actions(scope)
            elif "basic" in ways and credentials is not None and not credentials.refreshes and is_safe(home):
                header, actions = basic(credentials.user, credentials.secret), frozenset()  # for whatever is asked
            else:
                return None
            with self._guard:
                granted = self._granted.setdefault(home, {})
                for covered in [covered for covered, old in granted.items() if old == refused]:
                    del granted[covered]
                granted[actions] = header
            return header

    def _bearer(
        self, parameters: Mapping[str, str], credentials: Credentials | None, registry: str, home: str, scope: str
    ) -> str:
        """Ask the token server (distribution/spec/auth/token, oauth)."""
        import urllib3

        realm = parameters.get("realm", "")
        if not is_safe(realm, home):
            raise failed(registry, "it names a token server without TLS")
        service = [("service", parameters["service"])] if parameters.get("service") else []
        if credentials is not None and credentials.refreshes:
            form = [
                *service,
                ("scope", scope),
                ("grant_type", "refresh_token"),
                ("client_id", "envlock"),
                ("refresh_token", credentials.secret),
            ]
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            response = self._send("POST", realm, headers, urlencode(form).encode())
        else:
            headers = {"Authorization": basic(credentials.user, credentials.secret)} if credentials is not None else {}
            asked = urlencode([*service, *(("scope", one) for one in scope.split())])
            response = self._send("GET", f"{realm}{'&' if urlsplit(realm).query else '?'}{asked}", headers, None)
        try:
            if response.status in (400, 401, 403):
                raise denied(registry, refusal(response))
            if response.status != 200:
                raise failed(registry, f"its token server answered {response.status}")
            answer = json.loads(response.read(_LIMIT))
            token = answer.get("token") or answer.get("access_token")
        except (ValueError, AttributeError, RecursionError, urllib3.exceptions.HTTPError):
            token = None
        finally:
            response.close()
        if not isinstance(token, str) or not (token.isascii() and token.isprintable()):
            raise failed(registry, "its token server gave no token")
        return f"Bearer {token}"


def pull_scope(reference: Reference) -> str:
    """Return the access that a pull needs."""
    return f"repository:{reference.repository}:pull"


def push_scope(reference: Reference) -> str:
    """Return the access that a push needs."""
    return f"repository:{reference.repository}:pull,push"


def _actions(scope: str) -> frozenset[str]:
    """Return single actions, such as `repository:team/churn:push`."""
    pairs = (one.rpartition(":") for one in scope.split())
    return frozenset(f"{resource}:{action}" for resource, _, actions in pairs for action in actions.split(","))
