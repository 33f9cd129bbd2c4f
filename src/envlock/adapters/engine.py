"""Loads images into a Docker Engine, or Podman by its Docker-compatible socket, sending only the layers they lack."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from envlock.errors import UsageError
from envlock.model.edges import NoProgress, Progress, Task
from envlock.model.platform import Platform

if TYPE_CHECKING:
    from docker import DockerClient

    from envlock.image.oci import Image, PlatformImage

_TIMEOUT_S = 600
"""Of one answer: an Engine says nothing while it unpacks a large layer."""
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_ZSTD_SINCE = 23
"""The first Docker Engine whose graph drivers read layers in zstd (Engine 23.0 release notes)."""
_STRICT_LOAD_SINCE = (1, 48)
"""API version from which a load that names its platform fails where a blob is missing (Engine API, ImageLoad)."""
_UNPACKING_FAILED = "Error unpacking image"
"""How the containerd store tells, in what is otherwise a success, that it could not unpack what it took."""


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
            self._client = docker.DockerClient(**connection, timeout=_TIMEOUT_S)
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

    def find(self, image: Image, platform: PlatformImage) -> str | None:
        """Return the ID under which the Engine has one platform of an image, None where it has not.

        A graph driver's and Podman's is the digest of the configuration; the containerd store's is that of the image
        manifest, or of the index where it was pulled. Raises UsageError (`engine-failed`).
        """
        import docker

        try:
            return next((one for one in self._ids(image, platform) if self._has(one)), None)
        except (docker.errors.DockerException, OSError) as error:
            raise self._failed(reason_of(error)) from error

    def load(
        self, image: Image, platform: PlatformImage, tags: Sequence[str], *, progress: Progress | None = None
    ) -> str:
        """Make the Engine hold one platform of the image under these tags (``repository:tag``), and return its ID.

        An image that is there is only tagged. Raises UsageError (`engine-failed`, `bad-tag`, `engine-too-old`,
        `layers-elsewhere`).
        """
        import docker

        names = {tag: qualified(tag) for tag in tags}
        image_id = self.find(image, platform)
        try:
            if image_id is None:
                self._refuse_unreadable(platform)
                # One name is enough, and of an archive with several Podman reads Docker's side, which has no digest.
                self._send(image, platform, dict([*names.items()][:1]), progress or NoProgress())
                image_id = self._loaded(image, platform)
            for tag in tags:
                repository, _, label = tag.rpartition(":")
                self.api.tag(image_id, repository, label)
        except (docker.errors.DockerException, OSError) as error:
            raise self._failed(reason_of(error)) from error
        return image_id

    def _ids(self, image: Image, platform: PlatformImage) -> tuple[str, ...]:
        if self._has_containerd_store:
            return platform.manifest.descriptor.digest, image.index.descriptor.digest
        return (platform.image_id,)

    def _refuse_unreadable(self, platform: PlatformImage) -> None:
        """Raise UsageError (`engine-too-old`) for layers that this Engine cannot unpack, before any is sent."""
        if self._has_containerd_store or self.is_podman:
            return
        major = re.match(r"\d+", str(self._facts.get("ServerVersion", "")))
        zstd = [layer for layer in platform.layers if layer.media_type.endswith("zstd")]
        if zstd and major and int(major[0]) < _ZSTD_SINCE:
            raise UsageError(
                "engine-too-old",
                "The image's base has layers in zstd, which this Docker Engine cannot unpack.",
                where=f"Docker Engine {self._facts['ServerVersion']}",
                expected=f"Docker Engine {_ZSTD_SINCE} or later, or Podman",
                found=f"{zstd[0].media_type} {zstd[0].digest}",
                hint="Use a newer Engine, or a base in gzip.",
            )

    def _send(self, image: Image, platform: PlatformImage, names: Mapping[str, str], progress: Progress) -> None:
        omit = self._present(platform)
        try:
            self._send_archive(image, platform, names, omit, progress)
        except UsageError:
            if not omit or _elsewhere(image, platform):
                raise
            # A layer was removed meanwhile, or the Engine keeps what it has in another form.
            self._send_archive(image, platform, names, frozenset(), progress)

    def _send_archive(
        self,
        image: Image,
        platform: PlatformImage,
        names: Mapping[str, str],
        omit: frozenset[str],
        progress: Progress,
    ) -> None:
        import docker

        from envlock.image.docker_archive import archive_size, docker_archive

        if missing := _elsewhere(image, platform) - omit:
            raise UsageError(
                "layers-elsewhere",
                "Layers of the image are neither on this machine nor in the Engine.",
                expected=f"{len(platform.layers)} layers",
                found=f"without {', '.join(sorted(missing))}",
                hint="Build the image here first: envlock build.",
            )
        with progress.task("Loading into the Docker Engine", archive_size(platform, omit), unit="bytes") as task:
            archive = _counted(docker_archive(image, platform, names, omit=omit), task)
            try:
                answers = list(self._answers(archive, platform))  # to the end, for only then is the connection closed
            except (docker.errors.DockerException, OSError) as error:
                raise self._failed(reason_of(error)) from error
        for answer in answers:
            if "error" in answer:
                raise self._failed(str(answer["error"]))
            if _UNPACKING_FAILED in str(answer.get("stream", "")):
                raise self._failed(str(answer["stream"]).strip())

    def _answers(self, archive: Iterator[bytes], platform: PlatformImage) -> Iterator[dict[str, Any]]:
        """Send an archive and yield what the Engine says to it."""
        if not self._loads_strictly:
            yield from self.api.load_image(archive)
            return
        # docker's client neither knows the parameter nor asks for an API version that has it.
        wanted = json.dumps({"os": platform.platform.os, "architecture": platform.platform.architecture})
        with self.api.post(
            f"{self.api.base_url}/images/load",
            params={"platform": wanted},
            data=archive,
            headers={"Content-Type": "application/x-tar"},
            stream=True,
            timeout=_TIMEOUT_S,
        ) as response:
            lines = [json.loads(line) for line in response.iter_lines() if line.strip()]
            yield from lines
            if not response.ok and not any("error" in line for line in lines):
                yield {"error": lines[0].get("message") if lines else f"status {response.status_code}"}

    def _present(self, platform: PlatformImage) -> frozenset[str]:
        """Return the digests of layers that need not be sent.

        Graph drivers know a layer by all that are below it, so that these are the lowest layers which an image of the
        Engine has in the same order. The containerd store keeps blobs, and takes any that an image of its has; one
        kept in another compression is found missing by a strict load, and all is sent then.
        """
        wanted = [layer.diff_id for layer in platform.layers]
        if self._has_containerd_store:
            if not self._loads_strictly:
                return frozenset()
            there = {diff_id for row in self.api.images() for diff_id in self._layers_of(row["Id"])}
            return frozenset(layer.digest for layer in platform.layers if layer.diff_id in there)
        common = 0
        for row in self.api.images(all=True):
            found = self._layers_of(row["Id"])
            same = [one == other for one, other in zip(wanted, found, strict=False)]
            common = max(common, same.index(False) if False in same else len(same))
        return frozenset(layer.digest for layer in platform.layers[:common]) - {
            layer.digest for layer in platform.layers[common:]
        }

    def _layers_of(self, image_id: str) -> Sequence[str]:
        import docker

        try:
            return self.api.inspect_image(image_id).get("RootFS", {}).get("Layers") or ()
        except docker.errors.NotFound:  # removed meanwhile
            return ()

    def _has(self, image_id: str) -> bool:
        import docker

        with contextlib.suppress(docker.errors.NotFound):
            self.api.inspect_image(image_id)
            return True
        return False

    def _loaded(self, image: Image, platform: PlatformImage) -> str:
        image_id = self.find(image, platform)
        if image_id is None:
            raise UsageError(
                "engine-failed",
                "The Docker Engine took the image, but does not have it under its ID.",
                expected=self._ids(image, platform)[0],
                found=f"no such image of {len(platform.layers)} layers",
                hint="Try another Engine, or -o oci:DIR.",
            )
        return image_id

    def _failed(self, why: str) -> UsageError:
        return UsageError(
            "engine-failed",
            "The Docker Engine did not load the image.",
            where=f"Docker Engine {self._facts.get('ServerVersion', '')}",
            found=why,
            hint="See the Engine's log; is its disk full? -o oci:DIR needs no Engine.",
        )

    @property
    def _has_containerd_store(self) -> bool:
        return ["driver-type", "io.containerd.snapshotter.v1"] in (self._facts.get("DriverStatus") or [])

    @property
    def _loads_strictly(self) -> bool:
        version = [int(part) for part in re.findall(r"\d+", str(self._version.get("ApiVersion", "")))]
        return self._has_containerd_store and tuple(version[:2]) >= _STRICT_LOAD_SINCE

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


def load_image(image: Image, platform: PlatformImage, tags: Sequence[str], *, progress: Progress | None = None) -> str:
    """Load one platform of an image into the Engine that the docker command would reach, and return its ID there.

    Raises UsageError (`no-engine`, `engine-failed`, `bad-tag`).
    """
    with Engine() as engine:
        return engine.load(image, platform, tags, progress=progress)


def _elsewhere(image: Image, platform: PlatformImage) -> frozenset[str]:
    """Return the digests of layers whose blobs are not on this machine."""
    return frozenset(layer.digest for layer in platform.layers) - image.files.keys()


def qualified(tag: str) -> str:
    """Return ``repository:tag`` with the host and namespace that Docker adds where they are left out.

    Raises UsageError (`bad-tag`) for a text that is no repository and tag.
    """
    import docker.auth

    repository, colon, label = tag.rpartition(":")
    if not colon or not repository or not label or "/" in label:
        raise UsageError("bad-tag", f"{tag!r} is not a name for an image.", expected="REPOSITORY:TAG", found=tag)
    try:
        host, name = docker.auth.resolve_repository_name(repository)
    except docker.errors.DockerException as error:
        raise UsageError(
            "bad-tag", f"{tag!r} is not a name for an image.", expected="REPOSITORY:TAG", found=str(error)
        ) from error
    if host == docker.auth.INDEX_NAME and "/" not in name:
        name = f"library/{name}"
    return f"{host}/{name}:{label}"


def _reach(url: str) -> None:
    """Raise OSError where nothing listens on a socket; the SDK would say the same, and leave its own socket open."""
    scheme, _, path = url.partition("://")
    if scheme == "unix":
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(path)


def _counted(archive: Iterator[bytes], task: Task) -> Iterator[bytes]:
    for chunk in archive:
        yield chunk
        task.advance(len(chunk))


def reason_of(error: Exception) -> str:
    """Return the innermost cause, without the addresses of objects in between."""
    explanation = getattr(error, "explanation", None)
    if explanation:
        return str(explanation)
    while error.__context__ is not None and isinstance(error.__context__, Exception):
        error = error.__context__
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
