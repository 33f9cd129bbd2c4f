"""Loads images into a Docker Engine, sending only the layers that it lacks."""

from __future__ import annotations

import contextlib
import os
import socket
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


class Engine:
    """A Docker Engine, reached as the docker command reaches it: DOCKER_HOST, else the current context.

    Args:
        url: of its API, such as ``unix:///var/run/docker.sock``, where not these.
    """

    def __init__(self, url: str | None = None) -> None:
        self._url = url
        self._client: DockerClient | None = None
        self._facts: dict[str, Any] = {}

    def __enter__(self) -> Self:
        """Connect; UsageError (`no-engine`) where no Engine answers."""
        import docker

        try:
            connection = self._connection()
            _reach(str(connection.get("base_url", "")))
            self._client = docker.DockerClient(**connection, timeout=_TIMEOUT_S)
            self._facts = self._client.info()
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

    def load(
        self, image: Image, platform: PlatformImage, tags: Sequence[str], *, progress: Progress | None = None
    ) -> str:
        """Make the Engine hold one platform of the image under these tags (``repository:tag``), and return its ID.

        An image that is there is only tagged. Raises UsageError (`engine-failed`, `bad-tag`).
        """
        import docker

        names = {tag: qualified(tag) for tag in tags}
        image_id = platform.manifest.descriptor.digest if self._has_containerd_store else platform.image_id
        try:
            if not self._has(image_id):
                self._send(image, platform, names, progress or NoProgress())
                self._require(image_id, platform)
            for tag in tags:
                repository, _, label = tag.rpartition(":")
                self.api.tag(image_id, repository, label)
        except (docker.errors.DockerException, OSError) as error:
            raise self._failed(reason_of(error)) from error
        return image_id

    def _send(self, image: Image, platform: PlatformImage, names: Mapping[str, str], progress: Progress) -> None:
        omit = self._present(platform)
        try:
            self._send_archive(image, platform, names, omit, progress)
        except UsageError:
            if not omit:
                raise
            self._send_archive(image, platform, names, frozenset(), progress)  # a layer was removed meanwhile

    def _send_archive(
        self,
        image: Image,
        platform: PlatformImage,
        names: Mapping[str, str],
        omit: frozenset[str],
        progress: Progress,
    ) -> None:
        from envlock.image.docker_archive import archive_size, docker_archive

        with progress.task("Loading into the Docker Engine", archive_size(platform, omit), unit="bytes") as task:
            archive = _counted(docker_archive(image, platform, names, omit=omit), task)
            # To the end, for only then is the connection closed.
            errors = [str(answer["error"]) for answer in self.api.load_image(archive) if "error" in answer]
        if errors:
            raise self._failed(errors[0])

    def _present(self, platform: PlatformImage) -> frozenset[str]:
        """Return the digests of the lowest layers that an image of the Engine has in the same order."""
        if self._has_containerd_store:
            return frozenset()  # it imports blobs, and needs them all
        wanted = [layer.diff_id for layer in platform.layers]
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

    def _require(self, image_id: str, platform: PlatformImage) -> None:
        if not self._has(image_id):
            raise UsageError(
                "engine-failed",
                "The Docker Engine took the image, but does not have it under its ID.",
                expected=image_id,
                found=f"no such image of {len(platform.layers)} layers",
                hint="Try another Engine, or -o oci:DIR.",
            )

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
