"""Where registries are: scheme and host, mirrors in front of them, proxies and certificates of this machine."""

from __future__ import annotations

import ipaddress
import json
import ssl
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from envlock.adapters.credentials import basic
from envlock.errors import UsageError
from envlock.model.index import without_login

if TYPE_CHECKING:
    import urllib3

_BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PROBES, _PROBE_S = 3, 20.0
MIRRORS = "ENVLOCK_REGISTRY_MIRRORS"


class Hosts:
    """Hosts of registries, and connections to them. Safe to use from several threads.

    Args:
        environment: where mirrors and certificate bundles are named.
        daemon: the Engine's configuration, whose `registry-mirrors` stand for Docker's default registry; what is in
            `certs.d/<host>/*.crt` beside it is trusted for that host, beside what is trusted anyway.
    """

    def __init__(self, environment: Mapping[str, str], daemon: Path, *, offline: bool) -> None:
        self._environment = environment
        self._daemon = daemon
        self._offline = offline
        self._guard = threading.Lock()
        self._pools: dict[tuple[str | None, tuple[Path, ...]], urllib3.PoolManager] = {}
        self._roots: dict[str, str] = {}

    def roots(self, registry: str) -> Iterator[tuple[str, str]]:
        """Iterate over (registry, base URL without /v2) of a registry's mirrors, then of itself."""
        for mirror in self._mirrors(registry):
            host, _, path = mirror.partition("/")
            yield host, self.root(host) + (f"/{path.strip('/')}" if path.strip("/") else "")
        yield registry, self.root(registry)

    def pool(self, url: str) -> urllib3.PoolManager:
        """Return what sends requests to a URL: through this machine's proxy, trusting its certificates."""
        import urllib3

        parts = urlsplit(url)
        bypass = is_loopback(parts.hostname or "") or urllib.request.proxy_bypass(parts.hostname or "")
        proxy = None if bypass else urllib.request.getproxies().get(parts.scheme)
        own = self._certificates(parts.netloc.rpartition("@")[2]) if parts.scheme == "https" else ()
        with self._guard:
            if (proxy, own) not in self._pools:
                context = self._trusting(own)
                self._pools[proxy, own] = (
                    urllib3.ProxyManager(
                        without_login(proxy), proxy_headers=_login_of(proxy), ssl_context=context, maxsize=8
                    )
                    if proxy
                    else urllib3.PoolManager(ssl_context=context, maxsize=8)
                )
            return self._pools[proxy, own]

    def _certificates(self, host: str) -> tuple[Path, ...]:
        """Return the authorities that the Engine trusts for one registry (dockerd, certs.d)."""
        return tuple(sorted((self._daemon.parent / "certs.d" / host).glob("*.crt")))

    def _trusting(self, own: tuple[Path, ...]) -> ssl.SSLContext:
        from urllib3.util.ssl_ import create_urllib3_context

        context = create_urllib3_context()
        named = (self._environment.get(name) for name in _BUNDLES)
        bundle = next((path for path in named if path and Path(path).is_file()), None)
        try:
            if bundle is None:
                context.load_default_certs()
            else:
                context.load_verify_locations(bundle)
            for path in own:
                context.load_verify_locations(path)
        except (OSError, ssl.SSLError) as error:
            raise UsageError(
                "bad-certificates",
                "Certificates of this machine cannot be read.",
                where=f"{', '.join(_BUNDLES)}, or a .crt file in certs.d of Docker's configuration",
                expected="certificates in PEM",
                found=getattr(error, "reason", None) or error.strerror or type(error).__name__,
                hint="Mend the file, or unset the variable.",
            ) from None
        return context

    def root(self, registry: str) -> str:
        """Return scheme and host of a registry: plain HTTP is for loopback alone, where it speaks no TLS."""
        if not registry:
            import docker.auth

            return f"https://{urlsplit(docker.auth.INDEX_URL).netloc}"
        if not is_loopback(urlsplit(f"//{registry}").hostname or ""):
            return f"https://{registry}"
        with self._guard:
            known = self._roots.get(registry)
        if known is None:
            known = f"http://{registry}" if self._speaks_plainly(registry) else f"https://{registry}"
            with self._guard:
                self._roots[registry] = known
        return known

    def _speaks_plainly(self, registry: str) -> bool:
        """Ask without TLS; a server of TLS answers 400 or nothing, each time that it is asked."""
        import urllib3

        if self._offline:
            return True
        url = f"http://{registry}/v2/"
        for _ in range(_PROBES):
            try:
                response = self.pool(url).request(
                    "GET", url, preload_content=False, redirect=False, retries=False, timeout=_PROBE_S
                )
            except urllib3.exceptions.HTTPError:
                continue
            response.close()
            return response.status != 400
        return False

    def _mirrors(self, registry: str) -> list[str]:
        import docker.auth

        name = registry or docker.auth.INDEX_NAME
        found = []
        for pair in self._environment.get(MIRRORS, "").replace(",", " ").split():
            origin, equals, mirror = pair.partition("=")
            if not equals or not origin or not mirror or "@" in mirror or "://" in mirror:
                raise UsageError(
                    "bad-registry-mirror",
                    f"An entry of {MIRRORS} cannot be used.",
                    expected="REGISTRY=MIRROR, hosts without scheme or credentials, separated by spaces",
                    found=pair.rpartition("@")[2],
                    hint=f"such as {MIRRORS}='docker.example.com=mirror.example.com'",
                )
            if origin == name:
                found.append(mirror)
        if not registry and not found:
            try:
                listed = json.loads(self._daemon.read_bytes()).get("registry-mirrors") or []
                found += [urlsplit(url).netloc.rpartition("@")[2] for url in listed if url.startswith("https://")]
            except (OSError, ValueError, AttributeError):
                pass  # no Engine here, or one with a configuration of its own kind
        return found


def _login_of(proxy: str) -> dict[str, str]:
    """Return what a proxy is told, and no registry behind it."""
    parts = urlsplit(proxy)
    if parts.username is None:
        return {}
    return {"Proxy-Authorization": basic(unquote(parts.username), unquote(parts.password or ""))}


def is_safe(url: str, home: str | None = None) -> bool:
    """Tell whether secrets and unverified names may travel there: TLS, or this machine.

    `home` is where whoever names the place is itself: without TLS only a registry of this machine sends us to others
    of it, for one elsewhere has no business with what listens here. What is no URL is not safe either.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
        if parts.scheme == "https":
            return bool(parts.hostname)
        plain = parts.scheme == "http" and is_loopback(parts.hostname or "")
        return plain and (home is None or is_loopback(urlsplit(home).hostname or ""))
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
