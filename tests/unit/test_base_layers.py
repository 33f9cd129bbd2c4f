"""A base from a registry under an image that is built: its documents and layers by digest, from the cache at best."""

from __future__ import annotations

import dataclasses
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from envlock.adapters.cache import Cache
from envlock.errors import EnvlockError, IntegrityError, UsageError
from envlock.formats.base_documents import BaseDocuments, read_base
from envlock.formats.oci import LAYER, Config, Descriptor, Execution, Manifest, RootFs, digest_of, parse_config
from envlock.formats.pylock import parse_lock, write_lock
from envlock.image.layout import write_layout
from envlock.image.oci import BASE_DIGEST, BASE_NAME, annotations_of
from envlock.image.sums import read_sums
from envlock.model.lock import BaseImage, BaseManifest, LockFile
from envlock.model.platform import Platform
from envlock.model.reference import Reference
from envlock.operations.base_layers import base_documents, base_layer, base_reference
from envlock.operations.build import build, known_image
from envlock.operations.edges import Edges
from tests.unit.base_images import Images, debian
from tests.unit.edges import edges_with
from tests.unit.images import AMD64, FakeCompiler, lock_of, materials
from tests.unit.wheels import make_wheel

REFERENCE = "registry.example.com/python:3.11"
AT = Reference.parse(REFERENCE).at(digest_of(b"manifest"))
BLOB = {"digest": digest_of(b"layer"), "size": 5}
DOCKER = "application/vnd.docker.image.rootfs"
OCI = "application/vnd.oci.image.layer"


@pytest.fixture
def wheels(tmp_path: Path) -> list[Path]:
    """One small wheel."""
    (tmp_path / "wheels").mkdir()
    return [make_wheel(tmp_path / "wheels", "one", "1.0", {"one.py": b"x = 1\n"})]


def on(digest: str, wheels: list[Path]) -> LockFile:
    """Return a lock on an image of one platform."""
    lock = lock_of(wheels).lock
    assert lock.base is not None
    image = BaseImage(reference=REFERENCE, manifests=(BaseManifest(platform="linux/amd64", digest=digest),))
    base = msgspec.structs.replace(lock.base, recipe=None, image=image)
    return parse_lock(write_lock(msgspec.structs.replace(lock, base=base)), "pylock.demo.toml")


def edges(images: Images, folder: Path) -> Edges:
    """Return edges to these images, with a cache in a folder."""
    return edges_with(registry=lambda: images, artifacts=Cache(folder))


def documents(**layer: Any) -> BaseDocuments:
    """Return what is read of a base of one layer."""
    manifest = Manifest(
        schema_version=2,
        config=Descriptor(media_type="", digest=digest_of(b""), size=0),
        layers=(Descriptor(**{"media_type": LAYER, **BLOB, **layer}),),
    )
    config = Config(architecture="amd64", os="linux", rootfs=RootFs(type="layers", diff_ids=(digest_of(b"plain"),)))
    return read_base(AT, manifest, config)


@pytest.mark.parametrize(
    ("found", "carried"),
    [
        (f"{DOCKER}.diff.tar.gzip", f"{OCI}.v1.tar+gzip"),
        (f"{DOCKER}.diff.tar", f"{OCI}.v1.tar"),
        (f"{OCI}.v1.tar", f"{OCI}.v1.tar"),
        (f"{OCI}.v1.tar+gzip", f"{OCI}.v1.tar+gzip"),
        (f"{OCI}.v1.tar+zstd", f"{OCI}.v1.tar+zstd"),
    ],
)
def test_layers_are_carried_on_under_the_names_of_oci(found: str, carried: str) -> None:
    """The bytes are the same: so are digest and size; annotations of others are not ours."""
    layer = documents(media_type=found, annotations={"a": "b"}).layers[0]
    assert layer.descriptor == Descriptor(media_type=carried, digest=digest_of(b"layer"), size=5)
    assert layer.diff_id == digest_of(b"plain")


@pytest.mark.parametrize(
    ("layer", "reference"),
    [
        ({"media_type": f"{DOCKER}.foreign.diff.tar.gzip"}, "foreign-layer"),
        ({"media_type": f"{OCI}.nondistributable.v1.tar+gzip"}, "foreign-layer"),
        ({"urls": ("https://example.com/layer",)}, "foreign-layer"),
        ({"media_type": f"{OCI}.v1.tar+gzip+encrypted"}, "unknown-layer"),
        ({"media_type": "application/vnd.in-toto+json"}, "unknown-layer"),
    ],
)
def test_layers_that_cannot_be_carried_on_are_refused(layer: dict[str, Any], reference: str) -> None:
    """Named, with what to do about them."""
    with pytest.raises(UsageError, match=reference) as raised:
        documents(**layer)
    assert digest_of(b"layer")[:19] in raised.value.where
    assert raised.value.hint


def test_a_label_over_4_kib_is_refused_by_its_name() -> None:
    """Name and value count together, in bytes."""
    manifest = Manifest(schema_version=2, config=Descriptor(media_type="", digest=digest_of(b""), size=0), layers=())

    def read(label: str) -> None:
        read_base(
            AT,
            manifest,
            Config(
                architecture="amd64",
                os="linux",
                rootfs=RootFs(type="layers", diff_ids=()),
                config=Execution(labels={"com.example.long": label}),
            ),
        )

    read("x" * (4096 - len("com.example.long")))
    with pytest.raises(UsageError, match="label-too-long") as raised:
        read("é" * 2048)
    assert "com.example.long" in raised.value.what
    assert raised.value.found == "4112 bytes"


def test_documents_and_layers_come_from_the_registry_once(tmp_path: Path, wheels: list[Path]) -> None:
    """By the locked digest, whatever the tag names; then from the cache, verified, without any registry."""
    images = Images()
    digest = images.image(debian())
    images.tag(REFERENCE, images.image(debian("3.11.9")))
    lock = on(digest, wheels).lock
    assert str(base_reference(lock, AMD64)) == f"registry.example.com/python@{digest}"
    found = base_documents(lock, AMD64, edges(images, tmp_path))
    assert found is not None
    assert [layer.descriptor.digest for layer in found.layers] == [
        row["digest"] for row in json.loads(images.documents[digest][1])["layers"]
    ]
    paths = [base_layer(lock, AMD64, layer.descriptor, edges(images, tmp_path)) for layer in found.layers]
    assert [digest_of(path.read_bytes()) for path in paths] == [layer.descriptor.digest for layer in found.layers]
    gone = edges(Images(), tmp_path)
    assert base_documents(lock, AMD64, gone) == found
    assert [base_layer(lock, AMD64, layer.descriptor, gone) for layer in found.layers] == paths
    paths[0].write_bytes(b"tampered")
    assert base_layer(lock, AMD64, found.layers[0].descriptor, edges(images, tmp_path)).stat().st_size > 8


def test_a_base_of_packages_has_no_documents(tmp_path: Path, wheels: list[Path]) -> None:
    """Nothing is asked for."""
    assert base_documents(lock_of(wheels).lock, AMD64, edges(Images(), tmp_path)) is None


def test_a_platform_that_the_lock_has_no_base_for_is_said(tmp_path: Path, wheels: list[Path]) -> None:
    """Such a lock was edited or merged by hand."""
    with pytest.raises(UsageError, match="no-platform"):
        base_documents(on(digest_of(b""), wheels).lock, Platform("linux", "arm64"), edges(Images(), tmp_path))


class Asked(Images):
    """A registry that says what a tag names."""

    def find(self, reference: Reference) -> str | None:
        """Return the digest of a tag."""
        self.asked.append(f"FIND {reference}")
        return self.tags.get(str(reference))


def test_a_tag_that_moved_is_told_and_changes_nothing(tmp_path: Path, wheels: list[Path]) -> None:
    """Once, where the registry is asked anyway; from the cache nobody asks."""
    images = Asked()
    digest = images.tag(REFERENCE, images.image(debian()))
    lock = on(digest, wheels).lock
    told: list[str] = []
    assert base_documents(lock, AMD64, edges(images, tmp_path / "same"), told.append) is not None
    assert told == []
    moved = images.tag(REFERENCE, images.image(debian("3.11.9")))
    for _ in range(2):
        found = base_documents(lock, AMD64, edges(images, tmp_path / "moved"), told.append)
        assert found is not None
        assert found.reference.digest == digest
    (text,) = told
    assert text == (
        f"{REFERENCE} names another image by now, {moved}; the locked one is built on, {digest}. "
        "`envlock lock --base` takes the new one."
    )


class Lying(Images):
    """A registry whose blobs have more or fewer bytes than the manifests say."""

    def __init__(self, more: bytes) -> None:
        super().__init__()
        self.more = more

    def blob(self, reference: Reference, digest: str) -> Iterator[bytes]:
        """Yield other bytes."""
        raw = self.blobs[digest]
        yield raw + self.more if self.more else raw[:-1]


@pytest.mark.parametrize("more", [b"", b"x"])
def test_a_blob_of_another_size_is_refused(tmp_path: Path, wheels: list[Path], more: bytes) -> None:
    """Nothing of it stays in the cache."""
    images = Lying(more)
    lock = on(images.image(debian()), wheels).lock
    with pytest.raises(IntegrityError, match="digest-mismatch"):
        base_documents(lock, AMD64, edges(images, tmp_path))
    assert not [path for path in (tmp_path / "files").rglob("config*") if path.is_file()]


def build_on(images: Images, lock_file: LockFile, wheels: list[Path], folder: Path, **more: Any) -> Any:
    """Build an image on a base, as `operations.image` wires it."""
    at = edges(images, folder / "cache")

    def given(platform: Platform, planned: Any) -> Path:
        wanted = Descriptor(media_type=LAYER, digest=planned.given.digest, size=planned.given.size)
        return base_layer(lock_file.lock, platform, wanted, at)

    made = dataclasses.replace(
        materials(folder, wheels, FakeCompiler()),
        bases=lambda platform: base_documents(lock_file.lock, platform, at),
        given=given,
        **more,
    )
    return build(lock_file, materials=made)


def rich(images: Images) -> str:
    """Hold an image whose configuration says all that can be said."""
    variables = ("PATH=/usr/local/bin:/usr/bin", "LANG=C", "PYTHONPATH=/x", "A=b=c", "NO_VALUE", "=no name")
    digest = images.image(debian(), environment=variables)
    manifest = json.loads(images.documents[digest][1])
    config = json.loads(images.blobs[manifest["config"]["digest"]])
    config["config"] |= {
        "Entrypoint": ["/entry"],
        "Cmd": ["serve"],
        "User": "app",
        "WorkingDir": "/srv",
        "ExposedPorts": {"80/tcp": {}},
        "Volumes": {"/data": {}},
        "StopSignal": "SIGINT",
        "Labels": {"com.example.a": "1"},
        "Healthcheck": {"Test": ["NONE"]},
    }
    config["history"] = [
        {"created": "2024-01-01T00:00:00Z", "created_by": "ADD one"},
        {"created": "2024-01-01T00:00:01Z", "created_by": "ENV", "empty_layer": True},
        {"created": "2024-01-01T00:00:02Z", "created_by": "ADD two"},
    ]
    raw = json.dumps(config).encode()
    images.blobs[digest_of(raw)] = raw
    manifest["config"] |= {"digest": digest_of(raw), "size": len(raw)}
    body = json.dumps(manifest).encode()
    images.documents[digest_of(body)] = (images.documents[digest][0], body)
    return digest_of(body)


def test_an_image_carries_its_base_on(tmp_path: Path, wheels: list[Path]) -> None:
    """Layers, history, user, folder, ports, volumes, labels and variables; neither its commands nor PYTHONPATH."""
    images = Images()
    digest = rich(images)
    lock_file = on(digest, wheels)
    image = build_on(images, lock_file, wheels, tmp_path)
    (one,) = image.platforms
    below = json.loads(images.documents[digest][1])["layers"]
    manifest = json.loads(one.manifest.raw)
    assert manifest["layers"][:2] == below
    assert (manifest["annotations"][BASE_NAME], manifest["annotations"][BASE_DIGEST]) == (REFERENCE, digest)
    assert json.loads(image.index.raw)["annotations"][BASE_DIGEST] == digest
    config = parse_config(one.config.raw, "")
    assert config.rootfs.diff_ids == tuple(layer.diff_id for layer in one.layers)
    assert config.history is not None
    assert [row.created_by or row.comment for row in config.history[:4]] == [
        "ADD one",
        "ENV",
        "ADD two",
        "envlock build",
    ]
    assert config.config == Execution(
        env=("A=b=c", "LANG=C", "PATH=/opt/venv/bin:/usr/local/bin:/usr/bin", "VIRTUAL_ENV=/opt/venv"),
        cmd=("python",),
        labels={"com.example.a": "1", **annotations_of(lock_file)},
        working_dir="/srv",
        user="app",
        exposed_ports={"80/tcp": {}},
        volumes={"/data": {}},
        stop_signal="SIGINT",
    )
    assert set(image.files) == {layer.digest for layer in one.layers}
    write_layout(tmp_path / "layout", image)


def test_a_history_that_does_not_fit_is_made_anew(tmp_path: Path, wheels: list[Path]) -> None:
    """Tools count its entries against the layers."""
    images = Images()
    lock_file = on(images.image(debian()), wheels)
    (one,) = build_on(images, lock_file, wheels, tmp_path).platforms
    history = parse_config(one.config.raw, "").history
    assert history is not None
    assert len(history) == len(one.layers)
    assert history[0].comment == f"layer of {REFERENCE}"


def test_envlock_sum_says_nothing_of_the_base(tmp_path: Path, wheels: list[Path]) -> None:
    """The lock names it by digest; with the documents, the image is known without a single blob."""
    images = Images()
    lock_file = on(rich(images), wheels)
    image = build_on(images, lock_file, wheels, tmp_path)
    sums = read_sums(tmp_path / "envlock.sum")
    assert {layer.digest for layer in sums.layers.values()} == {layer.digest for layer in image.platforms[0].layers[2:]}
    base = base_documents(lock_file.lock, AMD64, edges(images, tmp_path / "cache"))
    assert base is not None
    known = known_image(lock_file, sums, {AMD64: base})
    assert known is not None
    assert (known.index, known.files) == (image.index, {})
    assert known_image(lock_file, sums) is None


def test_layers_that_are_elsewhere_are_not_fetched(tmp_path: Path, wheels: list[Path]) -> None:
    """A push onto the registry that has the base moves none of its bytes."""
    images = Images()
    digest = rich(images)
    below = {row["digest"] for row in json.loads(images.documents[digest][1])["layers"]}
    lock_file = on(digest, wheels)
    expected = build_on(images, lock_file, wheels, tmp_path / "one").index
    for each in below:
        del images.blobs[each]
    image = build_on(images, lock_file, wheels, tmp_path / "two", elsewhere=lambda layer: layer.digest in below)
    assert image.index == expected
    assert not below & set(image.files)
    with pytest.raises((EnvlockError, KeyError)):
        build_on(images, lock_file, wheels, tmp_path / "three")


def test_a_layer_of_gzip_is_what_the_registry_has(tmp_path: Path, wheels: list[Path]) -> None:
    """Not compressed again: the digest of the blob is the base's."""
    images = Images()
    lock = on(images.image(debian()), wheels).lock
    found = base_documents(lock, AMD64, edges(images, tmp_path))
    assert found is not None
    layer = found.layers[0]
    assert digest_of(gzip.decompress(images.blobs[layer.descriptor.digest])) == layer.diff_id
