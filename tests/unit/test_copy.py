"""Copies between a registry in a dict and layouts: digests kept, referrers along, foreign layers left."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from envlock.errors import IntegrityError, UsageError
from envlock.formats.oci import (
    CONFIG,
    DOCKER_MANIFEST,
    INDEX,
    LAYER,
    MANIFEST,
    Descriptor,
    Index,
    Layout,
    Manifest,
    OciPlatform,
    canonical_json,
    describe,
    digest_of,
)
from envlock.model.edges import NoProgress
from envlock.model.reference import Reference
from envlock.operations.copy import Copied, copy_image, tag_image
from envlock.operations.places import in_registry, place_of
from tests.unit.registries import DictRegistry

SOURCE = "registry.example.com/team/source"
FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
HEX = "0123456789abcdef" * 2


class Shop:
    """An index of two platforms that share a layer, one with a foreign layer, a signature and a signature of that."""

    def __init__(self) -> None:
        self.registry = DictRegistry()
        self._manifests = self.registry.manifests.setdefault(SOURCE, {})
        self._blobs = self.registry.blobs.setdefault(SOURCE, {})
        shared = self._blob(b"shared layer", LAYER)
        foreign = Descriptor(
            media_type=FOREIGN, digest=f"sha256:{'f' * 64}", size=7, urls=("https://example.com/layer",)
        )
        amd64 = self._image(b'{"architecture":"amd64"}', (shared, self._blob(b"amd64 layer", LAYER)))
        other = self._image(b'{"architecture":"other"}', (shared, foreign), media_type=DOCKER_MANIFEST)
        rows = tuple(
            Descriptor(
                media_type=one.media_type,
                digest=one.digest,
                size=one.size,
                platform=OciPlatform(os="linux", architecture=architecture),
            )
            for one, architecture in ((amd64, "amd64"), (other, "other"))
        )
        self.index = self._put(Index(schema_version=2, media_type=INDEX, manifests=rows), INDEX)
        self.registry.tags[SOURCE] = {"v1": self.index.digest}
        signature = self._referrer(b"signature", self.index)
        self.referrers = {signature.digest, self._referrer(b"signature of a signature", signature).digest}

    def _blob(self, raw: bytes, media_type: str) -> Descriptor:
        self._blobs[digest_of(raw)] = raw
        return describe(raw, media_type)

    def _put(self, document: object, media_type: str) -> Descriptor:
        raw = canonical_json(document)
        self._manifests[digest_of(raw)] = (raw, media_type)
        return describe(raw, media_type)

    def _image(self, config: bytes, layers: tuple[Descriptor, ...], media_type: str = MANIFEST) -> Descriptor:
        blob = self._blob(config, CONFIG)
        return self._put(Manifest(schema_version=2, media_type=media_type, config=blob, layers=layers), media_type)

    def _referrer(self, raw: bytes, subject: Descriptor) -> Descriptor:
        manifest = Manifest(
            schema_version=2,
            media_type=MANIFEST,
            config=self._blob(b"{}", "application/vnd.oci.empty.v1+json"),
            layers=(self._blob(raw, "application/vnd.example.signature"),),
            artifact_type="application/vnd.example.signature",
            subject=subject,
        )
        return self._put(manifest, MANIFEST)

    def copy(self, source: str, target: str, *, referrers: bool = True) -> Copied:
        self.registry.calls.clear()
        return copy_image(
            place_of(source, self.registry),
            place_of(target, self.registry),
            progress=NoProgress(),
            referrers=referrers,
        )


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_within_a_registry_everything_is_mounted(shop: Shop) -> None:
    """Index, manifests, referrers of referrers and the tag; not one byte of a blob travels."""
    copied = shop.copy(f"{SOURCE}:v1", "registry.example.com/team/target:v2")
    there = "registry.example.com/team/target"
    assert copied.name == f"{there}:v2@{shop.index.digest}"
    assert (copied.sent, copied.there, copied.referrers) == (0, 0, 2)
    assert copied.mounted == len(shop.registry.blobs[SOURCE])
    assert shop.registry.called("upload") == 0
    assert shop.registry.manifests[there] == shop.registry.manifests[SOURCE]
    assert shop.registry.tags[there] == {"v2": shop.index.digest}


def test_to_another_registry_blobs_are_streamed_once(shop: Shop) -> None:
    """A layer that two platforms share once; copied again, none."""
    target = "registry.example.org/mirror:v1"
    copied = shop.copy(f"{SOURCE}@{shop.index.digest}", target)
    assert copied.sent == shop.registry.called("upload") == len(shop.registry.blobs[SOURCE])
    again = shop.copy(f"{SOURCE}:v1", target)
    assert (again.sent, again.there, shop.registry.called("put_manifest")) == (0, copied.sent, 0)


def test_referrers_stay_behind_where_told(shop: Shop) -> None:
    """The image alone has its own manifests."""
    assert shop.copy(f"{SOURCE}:v1", "registry.example.org/mirror:v1", referrers=False).referrers == 0
    assert not shop.referrers & shop.registry.manifests["registry.example.org/mirror"].keys()


def test_a_layout_keeps_it_all_and_gives_it_back(shop: Shop, tmp_path: Path) -> None:
    """To a folder under the tag's name and into another registry: the same manifests, the same referrers."""
    copied = shop.copy(f"{SOURCE}:v1", f"oci:{tmp_path / 'layout'}")
    assert copied.name == f"oci:{tmp_path / 'layout'}:v1@{shop.index.digest}"
    layout = Layout(tmp_path / "layout")
    rows = layout.top().manifests
    assert {row.digest for row in rows} == {shop.index.digest, *shop.referrers}
    assert {row.artifact_type for row in rows if row.digest in shop.referrers} == {"application/vnd.example.signature"}
    for path in (tmp_path / "layout" / "blobs" / "sha256").iterdir():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    back = "registry.example.org/back"
    for source in (f"oci:{tmp_path / 'layout'}", f"oci:{tmp_path / 'layout'}:v1"):
        assert shop.copy(source, f"{back}:v1").referrers == 2
    assert shop.registry.manifests[back] == shop.registry.manifests[SOURCE]


def test_a_second_image_stands_beside_the_first(shop: Shop, tmp_path: Path) -> None:
    """By its own name; without a name it is not clear then which is meant."""
    layout = f"oci:{tmp_path / 'layout'}"
    shop.copy(f"{SOURCE}:v1", f"{layout}:first")
    amd64 = next(digest for digest, (_, kind) in shop.registry.manifests[SOURCE].items() if kind == MANIFEST)
    shop.copy(f"{SOURCE}@{amd64}", f"{layout}:second")
    assert shop.copy(f"{layout}:second", "registry.example.org/x:1").digest == amd64
    for source, reference in ((layout, "several-images"), (f"{layout}:third", "no-image")):
        with pytest.raises(UsageError) as caught:
            shop.copy(source, "registry.example.org/x:2")
        assert caught.value.reference == reference


def test_a_damaged_blob_is_not_copied(shop: Shop, tmp_path: Path) -> None:
    """Exit 4, and no name points at what is incomplete."""
    digest = digest_of(b"amd64 layer")
    shop.registry.blobs[SOURCE][digest] = b"other bytes"
    for target in (f"oci:{tmp_path / 'layout'}:v1", "registry.example.org/mirror:v1"):
        with pytest.raises(IntegrityError) as caught:
            shop.copy(f"{SOURCE}:v1", target)
        assert caught.value.reference == "digest-mismatch"
    assert not (tmp_path / "layout" / "index.json").exists()
    assert "registry.example.org/mirror" not in shop.registry.tags


@pytest.mark.parametrize("text", ["oci:", "oci::name", "Registry.example.com/A", "registry.example.com/a:b:c", ""])
def test_what_names_no_place_is_refused(shop: Shop, text: str) -> None:
    """Before anything is asked."""
    with pytest.raises(UsageError) as caught:
        place_of(text, shop.registry)
    assert caught.value.reference == "bad-reference"


def test_the_tag_of_a_lock_never_moves(shop: Shop) -> None:
    """Neither by a copy nor by a tag: the same lock always gives the same image."""
    tag = f"lock-{HEX}"
    shop.registry.tags["registry.example.org/x"] = {tag: f"sha256:{'0' * 64}"}
    with pytest.raises(IntegrityError) as caught:
        shop.copy(f"{SOURCE}:v1", f"registry.example.org/x:{tag}")
    assert caught.value.reference == "lock-tag-moved"
    shop.registry.tags[SOURCE][tag] = f"sha256:{'0' * 64}"
    with pytest.raises(IntegrityError):
        tag_image(Reference.parse(f"{SOURCE}:v1"), [tag], shop.registry)


def test_the_tag_of_another_lock_is_not_given(shop: Shop) -> None:
    """A new one neither: whoever pushes that lock would find its tag taken."""
    with pytest.raises(UsageError) as caught:
        shop.copy(f"{SOURCE}:v1", f"registry.example.org/x:lock-{'0' * 32}")
    assert caught.value.reference == "reserved-tag"
    assert "registry.example.org/x" not in shop.registry.tags


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("layout", "oci:layout"),
        ("./layout", "oci:./layout"),
        ("engine:churn:v1", "oci:DIR"),
        ("docker://a/b", "oci:DIR"),
    ],
)
def test_what_is_here_is_not_asked_of_a_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, hint: str
) -> None:
    """A folder and other tools' schemes look like references of the default registry."""
    (tmp_path / "layout").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        in_registry(text)
    assert caught.value.reference == "bad-reference"
    assert hint in caught.value.hint
    assert in_registry("registry.example.com/layout").repository == "layout"


def test_a_tag_is_the_same_manifest_again(shop: Shop) -> None:
    """Its bytes are put, nothing else; what a tag named before is told; one that is right is left alone."""
    shop.registry.tags[SOURCE]["old"] = f"sha256:{'0' * 64}"
    digest, given = tag_image(Reference.parse(f"{SOURCE}:v1"), ["v1", "new", "old"], shop.registry)
    assert digest == shop.index.digest
    assert [(each.tag, each.before) for each in given] == [
        ("v1", None),
        ("new", None),
        ("old", f"sha256:{'0' * 64}"),
    ]
    assert set(shop.registry.tags[SOURCE].values()) == {digest}
    assert (shop.registry.called("put_manifest"), shop.registry.called("blob")) == (2, 0)


def test_manifests_without_an_end_are_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Indexes and manifests are kept until all blobs are there: a source may have any number of them."""
    shop = Shop()
    monkeypatch.setattr("envlock.operations.copy._MOST_BYTES", 1000)
    with pytest.raises(UsageError, match="more manifests than an image has"):
        copy_image(
            place_of(f"{SOURCE}:v1", shop.registry),
            place_of("registry.example.com/team/target:v1", shop.registry),
            progress=NoProgress(),
        )
