"""An image of one platform as the tar stream that `docker load` reads: Docker's manifest.json and an OCI layout in one.

Engines with graph drivers follow manifest.json and unpack only layers that they lack, so that these may be left out.
Engines with the containerd store follow index.json and need every blob.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from envlock.errors import UsageError
from envlock.formats import tar
from envlock.formats.beside import beside
from envlock.formats.oci import INDEX, LAYOUT_VERSION, REF_NAME, Descriptor, Index, canonical_json
from envlock.formats.tar import Entry
from envlock.image.oci import Image, PlatformImage
from envlock.model.edges import NoProgress, Progress, Task

_CONTAINERD_NAME = "io.containerd.image.name"
_READ = 1 << 20


def docker_archive(
    image: Image, platform: PlatformImage, names: Mapping[str, str], *, omit: Collection[str] = ()
) -> Iterator[bytes]:
    """Yield the archive in chunks of at most 1 MiB.

    Args:
        names: repository and tag as the user wrote them, to the same with the registry's host.
        omit: digests of layers that the reader has.
    """
    layers = {layer.digest: layer for layer in platform.layers}
    yield from _folder("blobs")
    yield from _folder("blobs/sha256")
    for blob in (platform.config, platform.manifest):
        yield from _document(_path(blob.descriptor.digest), blob.raw)
    for digest, layer in layers.items():
        if digest not in omit:
            yield tar.header(_file(_path(digest), layer.size))
            yield from _read(image.files[digest])
            yield tar.padding(layer.size)
    yield from _document("index.json", canonical_json(_index(platform.manifest.descriptor, names)))
    yield from _document("manifest.json", canonical_json([_docker_manifest(platform, names)]))
    yield from _document("oci-layout", LAYOUT_VERSION)
    yield tar.END


def write_docker_archive(
    path: Path, image: Image, platform: PlatformImage, names: Mapping[str, str], *, progress: Progress | None = None
) -> None:
    """Write the whole archive beside `path` and rename it; UsageError (`write-failed`)."""
    try:
        with (progress or NoProgress()).task(f"Writing {path}", archive_size(platform), unit="bytes") as task:
            beside(path, lambda part: _fill(part, docker_archive(image, platform, names), task))
    except OSError as error:
        raise UsageError(
            "write-failed",
            f"{path} cannot be written.",
            found=error.strerror or str(error),
            hint="Make room there, or choose another place.",
        ) from error


def _fill(path: Path, archive: Iterator[bytes], task: Task) -> None:
    with path.open("wb") as file:
        for chunk in archive:
            file.write(chunk)
            task.advance(len(chunk))


def archive_size(platform: PlatformImage, omit: Collection[str] = ()) -> int:
    """Return the bytes of the layers in the archive, for progress."""
    return sum({layer.digest: layer.size for layer in platform.layers if layer.digest not in omit}.values())


def _index(manifest: Descriptor, names: Mapping[str, str]) -> Index:
    def named(annotations: dict[str, str]) -> Descriptor:
        return Descriptor(
            media_type=manifest.media_type,
            digest=manifest.digest,
            size=manifest.size,
            platform=manifest.platform,
            annotations=annotations,
        )

    manifests = [
        named({REF_NAME: full.rpartition(":")[2], _CONTAINERD_NAME: full}) for full in sorted(set(names.values()))
    ]
    return Index(schema_version=2, media_type=INDEX, manifests=tuple(manifests or [named({})]))


def _docker_manifest(platform: PlatformImage, names: Mapping[str, str]) -> dict[str, object]:
    return {
        "Config": _path(platform.config.descriptor.digest),
        "Layers": [_path(layer.digest) for layer in platform.layers],
        "RepoTags": sorted(names),
    }


def _path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _file(path: str, size: int) -> Entry:
    return Entry(path=path, kind="file", mode=0o644, size=size)


def _folder(path: str) -> Iterator[bytes]:
    yield tar.header(Entry(path=path, kind="dir", mode=0o755))


def _document(path: str, raw: bytes) -> Iterator[bytes]:
    yield tar.header(_file(path, len(raw))) + raw + tar.padding(len(raw))


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_READ):
            yield chunk
