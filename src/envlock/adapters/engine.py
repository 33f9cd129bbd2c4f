"""Connects to a Docker Engine, or to Podman by its Docker-compatible socket, and asks what it is."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from envlock.errors import UsageError
from envlock.model.platform import Platform

if TYPE_CHECKING:
    from docker import DockerClient

TIMEOUT_S = 600
"""Of one answer: an Engine says nothing while it unpacks a large layer."""
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_STRICT_LOAD_SINCE = (1, 48)
"""API version from which a load that names its platform fails where a blob is missing (Engine API, ImageLoad)."""


class Engine:
    """A Docker Engine or Podman, reached as the docker command reaches it: DOCKER_HOST, else the current context.

    Args:
        url: of its API, such as ``unix:///var/run/docker.sock``, where not these.
    """

    def __init__(self, url: str | None = None) -> None:
        self._url = url
        self._client: DockerClient | None = None
        self._facts: dict[str, Any] = {}
        self._version: dict[str, Any] = {}

    def __enter__(self) -> Self:
        """Connect; UsageError (`no-engine`) where no Engine answers."""
        import docker

        try:
            connection = self._connection()
            _reach(str(connection.get("base_url", "")))
            self._client = docker.DockerClient(**connection, timeout=TIMEOUT_S)
            self._facts = self._client.info()
            self._version = self._client.version()
        except (docker.errors.DockerException, OSError) as error:
            self.__exit__(None, None, None)
            raise UsageError(
                "no-engine",
                "No Docker Engine answers.",
                where=self._url or "DOCKER_HOST, or docker's current context",
                found=reason_of(error),
                hint="Start Docker, set DOCKER_HOST, or write the image elsewhere: -o oci:DIR, -o docker-archive:FILE.",
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    @property
    def platform(self) -> Platform:
        """The platform that it runs."""
        machine = str(self._facts.get("Architecture", ""))
        return Platform("linux", _ARCHITECTURES.get(machine, machine))

    @property
    def is_podman(self) -> bool:
        """Whether Podman answers."""
        return any("podman" in str(part.get("Name", "")).lower() for part in self._version.get("Components") or ())

    @property
    def caller(self) -> str | None:
        """Who a container has to be, as ``uid:gid``, for what it writes into a mounted folder to be the caller's.

        None where that is the image's own user: an Engine in a virtual machine (macOS, Windows, Docker Desktop) gives
        all files to the caller.
        """
        if not hasattr(os, "getuid") or sys.platform != "linux" or "Desktop" in str(self._facts.get("OperatingSystem")):
            return None
        if any("rootless" in str(option) for option in self._facts.get("SecurityOptions") or ()):
            return "0:0"  # in the namespace of a rootless Engine the caller is root
        return f"{os.getuid()}:{os.getgid()}"

    @property
    def facts(self) -> Mapping[str, Any]:
        """What it says of itself (Engine API, SystemInfo)."""
        return self._facts

    @property
    def version(self) -> str:
        """Of Docker Engine, such as 20.10.24."""
        return str(self._facts.get("ServerVersion", ""))

    @property
    def has_containerd_store(self) -> bool:
        """Whether containerd keeps its images, as blobs, and not a graph driver, unpacked."""
        return ["driver-type", "io.containerd.snapshotter.v1"] in (self._facts.get("DriverStatus") or [])

    @property
    def loads_strictly(self) -> bool:
        """Whether a load may name its platform, and then fails where a blob of it is missing."""
        version = [int(part) for part in re.findall(r"\d+", str(self._version.get("ApiVersion", "")))]
        return self.has_containerd_store and tuple(version[:2]) >= _STRICT_LOAD_SINCE

    @property
    def api(self) -> Any:
        """docker's client of the Engine, while the context is open."""
        if self._client is None:
            raise ValueError("an Engine is used as a context")
        return self._client.api

    def _connection(self) -> dict[str, Any]:
        import docker

        if self._url is not None:
            return {"base_url": self._url}
        if "DOCKER_HOST" in os.environ:
            return dict(docker.utils.kwargs_from_env())
        context = docker.context.ContextAPI.get_current_context()
        if context is None:
            return {}
        tls = {"tls": context.TLSConfig} if context.TLSConfig else {}
        return {"base_url": context.Host, **tls}


def _reach(url: str) -> None:
    """Raise OSError where nothing listens on a socket; the SDK would say the same, and leave its own socket open."""
    scheme, _, path = url.partition("://")
    if scheme == "unix":
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(path)


def reason_of(error: Exception) -> str:
    """Return the innermost cause, without the addresses of objects in between."""
    explanation = getattr(error, "explanation", None)
    if explanation:
        return str(explanation)
    while error.__context__ is not None and isinstance(error.__context__, Exception):
        error = error.__context__
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
