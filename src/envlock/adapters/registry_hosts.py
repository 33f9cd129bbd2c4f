"""Where registries are: scheme and host, mirrors in front of them, proxies and certificates of this machine."""

from __future__ import annotations

import ipaddress
import json
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from envlock.errors import UsageError

if TYPE_CHECKING:
    import urllib3

_BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
MIRRORS = "ENVLOCK_REGISTRY_MIRRORS"


class Hosts:
    """Hosts of registries, and connections to them. Safe to use from several threads.

    Args:
        environment: where mirrors and certificate bundles are named.
        daemon: the Engine's configuration, whose `registry-mirrors` stand for Docker's default registry.
    """

    def __init__(self, environment: Mapping[str, str], daemon: Path, *, offline: bool) -> None:
        self._environment = environment
        self._daemon = daemon
        self._offline = offline
        self._guard = threading.Lock()
        self._pools: dict[str | None, urllib3.PoolManager] = {}
        self._roots: dict[str, str] = {}

    def roots(self, registry: str) -> Iterator[tuple[str, str]]:
        """Iterate over (registry, base URL without /v2) of a registry's mirrors, then of itself."""
        for mirror in self._mirrors(registry):
            host, _, path = mirror.partition("/")
            yield host, self._root(host) + (f"/{path.strip('/')}" if path.strip("/") else "")
        yield registry, self._root(registry)

    def pool(self, url: str) -> urllib3.PoolManager:
        """Return what sends requests to a URL: through this machine's proxy, trusting its certificates."""
        import urllib3

        parts = urlsplit(url)
        bypass = is_loopback(parts.hostname or "") or urllib.request.proxy_bypass(parts.hostname or "")
        proxy = None if bypass else urllib.request.getproxies().get(parts.scheme)
        with self._guard:
            if proxy not in self._pools:
                named = (self._environment.get(name) for name in _BUNDLES)
                bundle = next((path for path in named if path and Path(path).is_file()), None)
                timeout = urllib3.Timeout(connect=20, read=60)
                self._pools[proxy] = (
                    urllib3.ProxyManager(proxy, ca_certs=bundle, timeout=timeout, maxsize=8)
                    if proxy
                    else urllib3.PoolManager(ca_certs=bundle, timeout=timeout, maxsize=8)
                )
            return self._pools[proxy]

    def _root(self, registry: str) -> str:
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
        import urllib3

        if self._offline:
            return True
        url = f"http://{registry}/v2/"
        try:
            response = self.pool(url).request("GET", url, preload_content=False, redirect=False, retries=False)
        except urllib3.exceptions.HTTPError:
            return False
        response.close()
        return response.status != 400  # what servers of TLS answer to HTTP

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


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
