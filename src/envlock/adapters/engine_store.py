"""The images of a Docker Engine or Podman: found by their digests, and loaded with only the layers that are lacking."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from envlock.adapters.engine import TIMEOUT_S, Engine, reason_of
from envlock.errors import UsageError
from envlock.model.edges import NoProgress, Progress, counted
from envlock.model.platform import Platform

if TYPE_CHECKING:
    from envlock.image.oci import Image, PlatformImage

_ZSTD_SINCE = 23
"""The first Docker Engine whose graph drivers read layers in zstd (Engine 23.0 release notes)."""
_UNPACKING_FAILED = "Error unpacking image"
"""How the containerd store tells, in what is otherwise a success, that it could not unpack what it took."""


class EngineStore:
    """The images of an Engine that is connected; implements `operations.run_image.ImageStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def platform(self) -> Platform:
        """The platform that the Engine runs."""
        return self._engine.platform

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
                self._engine.api.tag(image_id, repository, label)
        except (docker.errors.DockerException, OSError) as error:
            raise self._failed(reason_of(error)) from error
        return image_id

    def _ids(self, image: Image, platform: PlatformImage) -> tuple[str, ...]:
        if self._engine.has_containerd_store:
            return platform.manifest.descriptor.digest, image.index.descriptor.digest
        return (platform.image_id,)

    def _refuse_unreadable(self, platform: PlatformImage) -> None:
        """Raise UsageError (`engine-too-old`) for layers that this Engine cannot unpack, before any is sent."""
        if self._engine.has_containerd_store or self._engine.is_podman:
            return
        major = re.match(r"\d+", self._engine.version)
        zstd = [layer for layer in platform.layers if layer.media_type.endswith("zstd")]
        if zstd and major and int(major[0]) < _ZSTD_SINCE:
            raise UsageError(
                "engine-too-old",
                "The image's base has layers in zstd, which this Docker Engine cannot unpack.",
                where=f"Docker Engine {self._engine.version}",
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
            archive = counted(docker_archive(image, platform, names, omit=omit), task)
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
        if not self._engine.loads_strictly:
            yield from self._engine.api.load_image(archive)
            return
        # docker's client neither knows the parameter nor asks for an API version that has it.
        wanted = json.dumps({"os": platform.platform.os, "architecture": platform.platform.architecture})
        with self._engine.api.post(
            f"{self._engine.api.base_url}/images/load",
            params={"platform": wanted},
            data=archive,
            headers={"Content-Type": "application/x-tar"},
            stream=True,
            timeout=TIMEOUT_S,
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
        if self._engine.has_containerd_store:
            if not self._engine.loads_strictly:
                return frozenset()
            there = {diff_id for row in self._engine.api.images() for diff_id in self._layers_of(row["Id"])}
            return frozenset(layer.digest for layer in platform.layers if layer.diff_id in there)
        common = 0
        for row in self._engine.api.images(all=True):
            found = self._layers_of(row["Id"])
            same = [one == other for one, other in zip(wanted, found, strict=False)]
            common = max(common, same.index(False) if False in same else len(same))
        return frozenset(layer.digest for layer in platform.layers[:common]) - {
            layer.digest for layer in platform.layers[common:]
        }

    def _layers_of(self, image_id: str) -> Sequence[str]:
        import docker

        try:
            return self._engine.api.inspect_image(image_id).get("RootFS", {}).get("Layers") or ()
        except docker.errors.NotFound:  # removed meanwhile
            return ()

    def _has(self, image_id: str) -> bool:
        import docker

        with contextlib.suppress(docker.errors.NotFound):
            self._engine.api.inspect_image(image_id)
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
            where=f"Docker Engine {self._engine.version}",
            found=why,
            hint="See the Engine's log; is its disk full? -o oci:DIR needs no Engine.",
        )


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
