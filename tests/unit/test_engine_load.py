"""What is sent to an Engine, by what it says of itself: a fake of docker's client, no Engine."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import pytest
from msgspec.structs import replace

from envlock.adapters.engine import Engine
from envlock.adapters.engine_store import EngineStore
from envlock.errors import UsageError
from envlock.image.oci import Image
from envlock.operations.build import build
from tests.unit.images import AMD64, lock_of, materials
from tests.unit.wheels import make_wheel

CONTAINERD = {"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]], "ServerVersion": "29.0.1"}


class FakeApi:
    """docker's client of an Engine whose images are what was loaded, with the blobs of all of them."""

    base_url = "http+docker://fake"

    def __init__(self, image: Image, *, containerd: bool, present: tuple[str, ...] = (), strict: bool = True) -> None:
        self.image = image
        self.containerd = containerd
        self.rows = {"sha256:other": list(present)}
        self.lost: set[str] = set()
        """Digests of blobs that the Engine has no more, though an image has the layer."""
        self.sent: list[set[str]] = []
        self.asked: list[dict[str, str]] = []
        self.tags: list[tuple[str, ...]] = []

    def images(self, **_: object) -> list[dict[str, str]]:
        return [{"Id": name} for name in self.rows]

    def inspect_image(self, name: str) -> dict[str, Any]:
        if name not in self.rows:
            raise docker.errors.ImageNotFound(name)
        return {"RootFS": {"Layers": self.rows[name]}}

    def load_image(self, archive: Iterator[bytes]) -> Iterator[dict[str, str]]:
        yield from self._take(archive)

    @contextmanager
    def post(self, url: str, *, params: dict[str, str], data: Iterator[bytes], **_: object) -> Iterator[Any]:
        assert url == "http+docker://fake/images/load"
        self.asked.append(params)
        answers = list(self._take(data))
        lines = [json.dumps(answer).encode() for answer in answers]
        ok = not any("message" in answer for answer in answers)
        yield SimpleNamespace(iter_lines=lambda: iter(lines), ok=ok, status_code=200 if ok else 404)

    def tag(self, *arguments: str) -> None:
        self.tags.append(arguments)

    def _take(self, archive: Iterator[bytes]) -> Iterator[dict[str, str]]:
        platform = self.image.of(AMD64)
        with tarfile.open(fileobj=io.BytesIO(b"".join(archive))) as tar:
            names = {name.replace("blobs/sha256/", "sha256:") for name in tar.getnames()}
        sent = {layer.digest for layer in platform.layers} & names
        self.sent.append(sent)
        if self.lost - sent:
            yield {"message": "was loaded, but doesn't provide the requested platform"}
            return
        self.rows[platform.manifest.descriptor.digest if self.containerd else platform.image_id] = [
            layer.diff_id for layer in platform.layers
        ]
        yield {"stream": "Loaded image"}


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """A small image of three layers."""
    wheels = [make_wheel(tmp_path, name, files={f"{name}.bin": name.encode() * 100}) for name in ("big", "small")]
    return build(lock_of(wheels), materials=materials(tmp_path, wheels))


def engine(api: FakeApi, facts: dict[str, Any], version: str, components: tuple[str, ...] = ()) -> Engine:
    made = Engine()
    made._client = SimpleNamespace(api=api)
    made._facts = facts
    made._version = {"ApiVersion": version, "Components": [{"Name": name} for name in components]}
    return made


def store(api: FakeApi, facts: dict[str, Any], version: str, components: tuple[str, ...] = ()) -> EngineStore:
    return EngineStore(engine(api, facts, version, components))


def test_the_containerd_store_takes_any_blob_that_it_lacks(image: Image) -> None:
    """Whichever place it has in another image; the load says for which platform, so that a gap is an error."""
    platform = image.of(AMD64)
    top = platform.layers[-1]
    api = FakeApi(image, containerd=True, present=("sha256:foreign", top.diff_id))
    assert store(api, CONTAINERD, "1.48").load(image, platform, ["a:b"]) == platform.manifest.descriptor.digest
    assert api.sent == [{layer.digest for layer in platform.layers} - {top.digest}]
    assert api.asked == [{"platform": '{"os": "linux", "architecture": "amd64"}'}]
    assert api.tags == [(platform.manifest.descriptor.digest, "a", "b")]


def test_a_blob_that_is_missing_after_all_is_sent(image: Image) -> None:
    """The strict load fails, and the whole is sent."""
    platform = image.of(AMD64)
    api = FakeApi(image, containerd=True, present=(platform.layers[0].diff_id,))
    api.lost = {platform.layers[0].digest}
    store(api, CONTAINERD, "1.48").load(image, platform, ["a:b"])
    everything = {layer.digest for layer in platform.layers}
    assert api.sent == [everything - {platform.layers[0].digest}, everything]


def test_an_older_containerd_store_gets_everything(image: Image) -> None:
    """It would take an image with a gap, and say nothing."""
    platform = image.of(AMD64)
    api = FakeApi(image, containerd=True, present=tuple(layer.diff_id for layer in platform.layers))
    store(api, CONTAINERD, "1.47").load(image, platform, ["a:b"])
    assert (api.sent, api.asked) == ([{layer.digest for layer in platform.layers}], [])


def test_an_image_that_was_pulled_by_its_index_is_found(image: Image) -> None:
    """The containerd store then calls it by the index."""
    api = FakeApi(image, containerd=True)
    api.rows[image.index.descriptor.digest] = []
    assert store(api, CONTAINERD, "1.48").find(image, image.of(AMD64)) == image.index.descriptor.digest
    assert store(api, {}, "1.41").find(image, image.of(AMD64)) is None


def test_layers_that_are_nowhere_are_named(image: Image) -> None:
    """Neither here nor there: nothing is sent."""
    platform = image.of(AMD64)
    less = replace(image, files={})
    api = FakeApi(image, containerd=False)
    with pytest.raises(UsageError) as caught:
        store(api, {"ServerVersion": "20.10.24"}, "1.41").load(less, platform, ["a:b"])
    assert (caught.value.reference, api.sent) == ("layers-elsewhere", [])
    api.rows["sha256:other"] = [layer.diff_id for layer in platform.layers]
    store(api, {"ServerVersion": "20.10.24"}, "1.41").load(less, platform, ["a:b"])
    assert api.sent == [set()]


@pytest.mark.parametrize(
    ("facts", "components", "refused"),
    [
        ({"ServerVersion": "20.10.24+dfsg1"}, (), True),
        ({"ServerVersion": "23.0.0"}, (), False),
        ({"ServerVersion": "4.3.1"}, ("Podman Engine",), False),
        (CONTAINERD | {"ServerVersion": "22.06"}, (), False),
    ],
)
def test_zstd_is_refused_before_anything_is_sent(
    image: Image, facts: dict[str, Any], components: tuple[str, ...], refused: bool
) -> None:
    """Graph drivers read it since Engine 23."""
    platform = image.of(AMD64)
    zstd = replace(platform.layers[0], media_type="application/vnd.oci.image.layer.v1.tar+zstd")
    platform = replace(platform, layers=(zstd, *platform.layers[1:]))
    api = FakeApi(image, containerd=bool(facts.get("DriverStatus")))
    if not refused:
        store(api, facts, "1.41", components).load(image, platform, ["a:b"])
        assert len(api.sent) == 1
        return
    with pytest.raises(UsageError) as caught:
        store(api, facts, "1.41", components).load(image, platform, ["a:b"])
    assert (caught.value.reference, caught.value.where, api.sent) == (
        "engine-too-old",
        "Docker Engine 20.10.24+dfsg1",
        [],
    )


def test_who_writes_into_the_project_is_the_caller(image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rootless Engine calls the caller root; one in a virtual machine gives files to the caller anyway."""
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("os.getuid", lambda: 1000)
    monkeypatch.setattr("os.getgid", lambda: 100)
    api = FakeApi(image, containerd=False)
    assert engine(api, {}, "1.41").caller == "1000:100"
    assert engine(api, {"SecurityOptions": ["name=seccomp", "name=rootless"]}, "1.41").caller == "0:0"
    assert engine(api, {"OperatingSystem": "Docker Desktop"}, "1.41").caller is None
