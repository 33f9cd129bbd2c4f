"""OCI layouts, docker archives and what reading them refuses."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from envlock.errors import EnvlockError, IntegrityError, UsageError
from envlock.formats.oci import Descriptor, Layout, canonical_json, parse_manifest
from envlock.image.docker_archive import archive_size, docker_archive
from envlock.image.layout import write_layout
from envlock.image.oci import Image
from envlock.model.platform import Platform
from envlock.operations.build import build
from tests.unit.images import AMD64, lock_of, materials
from tests.unit.wheels import make_wheel


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """A built image of one wheel."""
    return built(tmp_path, "demo")


def built(tmp_path: Path, name: str) -> Image:
    wheel = make_wheel(tmp_path, name)
    return build(lock_of([wheel]), materials=materials(tmp_path, [wheel]))


def tree(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_a_layout_holds_the_image_under_its_lock_tag(tmp_path: Path, image: Image) -> None:
    """Every blob is named by its digest; the manifest is found by platform."""
    root = tmp_path / "oci"
    write_layout(root, image)
    files = tree(root)
    assert (root / "oci-layout").read_bytes() == b'{"imageLayoutVersion":"1.0.0"}'
    assert json.loads((root / "index.json").read_bytes()) == {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [
            {
                "mediaType": "application/vnd.oci.image.index.v1+json",
                "digest": image.index.descriptor.digest,
                "size": image.index.descriptor.size,
                "annotations": {"org.opencontainers.image.ref.name": f"lock-{image.lock_digest[:32]}"},
            }
        ],
    }
    blobs = {path: digest for path, digest in files.items() if path.startswith("blobs/")}
    assert all(path == f"blobs/sha256/{digest}" for path, digest in blobs.items())
    assert len(blobs) == 3 + len(image.platforms[0].layers)
    layout = Layout(root)
    descriptor = layout.image(AMD64)
    assert descriptor.digest == image.platforms[0].manifest.descriptor.digest
    config = layout.config(layout.manifest(descriptor))
    assert config.labels["dev.envlock.lock.digest"] == f"sha256:{image.lock_digest}"


def test_several_images_of_a_platform_need_a_tag(tmp_path: Path) -> None:
    """Nobody is told of one image when another was meant: the tag decides, or nothing does."""
    root = tmp_path / "oci"
    write_layout(root, built(tmp_path, "one"), ["one"])
    write_layout(root, built(tmp_path, "two"), ["two", "also-two"])
    layout = Layout(root)
    assert layout.image(AMD64, "one") != layout.image(AMD64, "two") == layout.image(AMD64, "also-two")
    with pytest.raises(UsageError) as caught:
        layout.image(AMD64, "three")
    assert caught.value.reference == "several-images"


def test_an_unreadable_index_is_written_anew(tmp_path: Path, image: Image) -> None:
    """A damaged index.json does not keep `build` from writing."""
    root = tmp_path / "oci"
    write_layout(root, image)
    whole = (root / "index.json").read_bytes()
    (root / "index.json").write_bytes(b"{")
    write_layout(root, image)
    assert (root / "index.json").read_bytes() == whole


def test_writing_again_changes_nothing_and_mends_what_is_damaged(tmp_path: Path, image: Image) -> None:
    """Two folders of the same image are the same to the last byte."""
    for name in ("a", "b"):
        write_layout(tmp_path / name, image, ["v1", "latest"])
    expected = tree(tmp_path / "a")
    assert tree(tmp_path / "b") == expected
    blob = Layout(tmp_path / "b").blob_path(image.platforms[0].layers[-1].digest)
    blob.unlink()
    blob.write_bytes(b"damaged")
    Layout(tmp_path / "b").blob_path(image.index.descriptor.digest).write_bytes(b"{}")
    write_layout(tmp_path / "b", image, ["v1", "latest"])
    assert tree(tmp_path / "b") == expected


def test_other_images_of_a_layout_stay(tmp_path: Path, image: Image) -> None:
    """A name is moved, the others are kept."""
    other = built(tmp_path, "other")
    write_layout(tmp_path / "oci", image, ["a", "b"])
    write_layout(tmp_path / "oci", other, ["b", "c"])
    found = {
        d.annotations["org.opencontainers.image.ref.name"]: d.digest for d in Layout(tmp_path / "oci").top().manifests
    }
    one, two = image.index.descriptor.digest, other.index.descriptor.digest
    assert found == {"a": one, "b": two, "c": two}


def test_layers_are_copied_where_links_cannot_be_made(
    tmp_path: Path, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another file system."""

    def refuse(*_: object) -> None:
        raise OSError("Invalid cross-device link")

    write_layout(tmp_path / "a", image)
    monkeypatch.setattr(os, "link", refuse)
    write_layout(tmp_path / "b", image)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_a_folder_with_something_else_in_it_is_not_touched(tmp_path: Path, image: Image) -> None:
    """A typing error must not fill somebody's folder."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("")
    for target in ("home", "home/thesis.tex"):
        with pytest.raises(UsageError) as caught:
            write_layout(tmp_path / target, image)
        assert (caught.value.reference, caught.value.found) == ("no-layout", "thesis.tex")
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["thesis.tex"]


def test_a_docker_archive_is_deterministic_and_whole(tmp_path: Path, image: Image) -> None:
    """manifest.json for graph drivers, index.json for the containerd store, every blob once."""
    platform = image.of(AMD64)
    names = {"demo:1": "registry.example.com/demo:1"}
    raw = b"".join(docker_archive(image, platform, names))
    assert raw == b"".join(docker_archive(image, platform, names))
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        files = {info.name: archive.extractfile(info).read() for info in archive if info.isfile()}  # type: ignore[union-attr]
    (docker,) = json.loads(files["manifest.json"])
    assert docker["RepoTags"] == ["demo:1"]
    assert files[docker["Config"]] == platform.config.raw
    for path, layer in zip(docker["Layers"], platform.layers, strict=True):
        assert f"sha256:{hashlib.sha256(files[path]).hexdigest()}" == layer.digest
    (top,) = json.loads(files["index.json"])["manifests"]
    assert files[f"blobs/sha256/{top['digest'][7:]}"] == platform.manifest.raw
    assert top["annotations"] == {
        "io.containerd.image.name": "registry.example.com/demo:1",
        "org.opencontainers.image.ref.name": "1",
    }
    assert archive_size(platform) == sum(layer.size for layer in platform.layers)


def test_layers_that_the_reader_has_are_left_out(image: Image) -> None:
    """Their names stay in the manifest."""
    platform = image.of(AMD64)
    omit = {layer.digest for layer in platform.layers[:2]}
    raw = b"".join(docker_archive(image, platform, {}, omit=omit))
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        names = archive.getnames()
    kept = {f"blobs/sha256/{layer.digest[7:]}" for layer in platform.layers if layer.digest not in omit}
    assert kept < set(names)
    assert not {f"blobs/sha256/{digest[7:]}" for digest in omit} & set(names)
    assert archive_size(platform, omit) == sum(layer.size for layer in platform.layers[2:])


def test_a_blob_that_is_not_what_its_name_says_is_an_integrity_error(tmp_path: Path, image: Image) -> None:
    """Changed, truncated, longer, or not there."""
    layout = Layout(tmp_path / "oci")
    write_layout(layout.root, image)
    layer = layout.manifest(layout.image(AMD64)).layers[-1]
    path = layout.blob_path(layer.digest)
    good = path.read_bytes()
    for bad in (b"x" + good[1:], good[:-1], good + b"x", None):
        path.unlink()
        if bad is not None:
            path.write_bytes(bad)
        with pytest.raises(IntegrityError) as caught:
            layout.verify(layer)
        assert caught.value.reference == ("blob-missing" if bad is None else "digest-mismatch")


def test_what_is_no_layout_is_a_usage_error(tmp_path: Path) -> None:
    """Missing, of another version, or rubbish."""
    with pytest.raises(UsageError, match="is not an OCI layout"):
        Layout(tmp_path / "missing").top()
    for text in ("rubbish", "[]", '{"imageLayoutVersion":"2.0.0"}'):
        (tmp_path / "oci-layout").write_text(text)
        (tmp_path / "index.json").write_text("{}")
        with pytest.raises(UsageError):
            Layout(tmp_path).top()


def test_another_platform_is_named_with_what_is_there(tmp_path: Path, image: Image) -> None:
    """Exit code 2."""
    write_layout(tmp_path / "oci", image)
    with pytest.raises(UsageError) as caught:
        Layout(tmp_path / "oci").image(Platform("linux", "arm64"))
    assert (caught.value.expected, caught.value.found) == ("linux/arm64", "linux/amd64")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b'{"schemaVersion":1,"config":{},"layers":[]}',
        b'{"schemaVersion":2,"config":{"mediaType":"x","digest":"sha256:../../etc","size":1},"layers":[]}',
        b'{"schemaVersion":2,"config":{"mediaType":"x","digest":"sha256:%s","size":-1},"layers":[]}' % (b"0" * 64),
        b"[" * 100_000,
    ],
)
def test_a_document_that_is_not_a_manifest_is_refused(raw: bytes) -> None:
    """Hostile digests never become paths."""
    with pytest.raises(EnvlockError) as caught:
        parse_manifest(raw, "manifest")
    assert caught.value.reference == "bad-image"


def test_canonical_json_is_one_text() -> None:
    """Sorted keys, no spaces, UTF-8."""
    descriptor = Descriptor(media_type="m", digest=f"sha256:{'0' * 64}", size=1, annotations={"b": "é", "a": ""})
    assert canonical_json(descriptor).decode() == (
        f'{{"annotations":{{"a":"","b":"é"}},"digest":"sha256:{"0" * 64}","mediaType":"m","size":1}}'
    )
