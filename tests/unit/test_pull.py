"""Pulls from a registry in a dict: what envlock.sum vouches for, and what it does not know."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from envlock.adapters.cache import Cache
from envlock.errors import IntegrityError, UsageError
from envlock.formats.oci import canonical_json, describe, digest_of, parse_index, parse_manifest
from envlock.formats.tar import Entry
from envlock.image.layout import write_layout
from envlock.image.oci import Image
from envlock.model.lock import LockFile
from envlock.model.manifest_parser import parse_manifest as parse_manifest_of
from envlock.model.reference import Reference
from envlock.operations.build import build
from envlock.operations.making import Making
from envlock.operations.pull import pull_image
from envlock.operations.push import publish
from envlock.operations.references import Destination
from tests.unit.edges import edges_with
from tests.unit.images import lock_of, materials
from tests.unit.registries import DictRegistry
from tests.unit.wheels import make_wheel

REPOSITORY = Reference.parse("registry.example.com/team/churn")


class Pulls:
    """A pushed image, and a machine with the lock and an empty cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wheels = [make_wheel(folder, "small", "1.0")]
        self.lock = lock_of(self.wheels)
        self.registry = DictRegistry()
        self.image = build(self.lock, materials=materials(folder, self.wheels))
        self.tag = self.image.tag
        self.warned: list[str] = []
        self.cache = Cache(folder / "cache")
        publish(
            Destination(repository=REPOSITORY, tags=("v1",)),
            make=lambda _: self.image,
            known=None,
            registry=self.registry,
        )

    def pull(self, tag: str | None = None, *, known: bool = True, lock: LockFile | None = None) -> Image:
        return pull_image(
            lock or self.lock,
            REPOSITORY,
            tag,
            sums=self.folder / ("envlock.sum" if known else "empty.sum"),
            edges=edges_with(artifacts=self.cache, registry=lambda: self.registry),
            warn=self.warned.append,
        )

    def retag(self, tag: str, change: Callable[[bytes], bytes]) -> None:
        """Put another configuration into the image that a tag names."""
        name = REPOSITORY.name
        old = self.image.platforms[0]
        config = change(old.config.raw)
        self.registry.blobs[name][digest_of(config)] = config
        parsed = parse_manifest(old.manifest.raw, "manifest")
        manifest = canonical_json(replace(parsed, config=describe(config, parsed.config.media_type)))
        row = parse_index(self.image.index.raw, "index")
        listed = describe(manifest, parsed.media_type, platform=row.manifests[0].platform)
        index = canonical_json(replace(row, manifests=(listed,)))
        for raw, media_type in ((manifest, parsed.media_type), (index, row.media_type)):
            self.registry.manifests[name][digest_of(raw)] = (raw, media_type)
        self.registry.tags[name][tag] = digest_of(index)


@pytest.fixture
def pulls(tmp_path: Path) -> Pulls:
    return Pulls(tmp_path)


@pytest.mark.parametrize("known", [True, False])
def test_the_image_is_the_one_that_was_pushed(pulls: Pulls, *, known: bool) -> None:
    """Documents, digests and every layer; a layout of it is whole. Without envlock.sum that is said."""
    image = pulls.pull(known=known)
    assert (image.index, image.platforms) == (pulls.image.index, pulls.image.platforms)
    write_layout(pulls.folder / "layout", image)
    assert [("envlock.sum does not know" in text) for text in pulls.warned] == ([] if known else [True])
    assert {path.name for path in pulls.cache.root.iterdir()} - {"locks"} == {"layers" if known else "pulled"}
    assert not (pulls.folder / "empty.sum").exists()


@pytest.mark.parametrize("known", [True, False])
def test_pulled_again_nothing_is_fetched(pulls: Pulls, *, known: bool) -> None:
    """The layers are hashed where they are."""
    pulls.pull(known=known)
    layers = {layer.digest for layer in pulls.image.platforms[0].layers[:-1]}
    pulls.registry.calls.clear()
    pulls.pull(known=known)
    assert not any(call.startswith("blob") and call.split()[2] in layers for call in pulls.registry.calls)


def test_a_tag_that_moved_is_told_and_the_lock_wins(pulls: Pulls) -> None:
    """Both digests are named."""
    other = lock_of([make_wheel(pulls.folder, "small", "2.0")])
    newer = build(other, materials=materials(pulls.folder, [pulls.folder / "small-2.0-py3-none-any.whl"]))
    publish(Destination(repository=REPOSITORY, tags=("v1",)), make=lambda _: newer, known=None, registry=pulls.registry)
    image = pulls.pull("v1")
    assert image.index == pulls.image.index
    assert len(pulls.warned) == 1
    assert newer.index.descriptor.digest in pulls.warned[0]
    assert image.index.descriptor.digest in pulls.warned[0]


def test_a_tag_that_names_nothing_is_told(pulls: Pulls) -> None:
    """A slip of the pen gets the lock's image all the same."""
    assert pulls.pull("v2").index == pulls.image.index
    (said,) = pulls.warned
    assert f"{REPOSITORY.tagged('v2')} names nothing" in said


def test_the_project_s_files_go_above_what_was_pulled(pulls: Pulls) -> None:
    """A tag is the project image's then; one of other files is told."""
    project = pulls.folder / "project"
    (project / "lockfiles").mkdir(parents=True)
    (project / "train.py").write_text("print()\n")
    (project / "lockfiles" / "envlock.sum").write_bytes((pulls.folder / "envlock.sum").read_bytes())
    image = {"base": "debian-12", "include": ["train.py"]}
    env = {"demo": {"python": "3.11", "dependencies": ["small"], "image": image}}
    making = Making(
        manifest=parse_manifest_of(project / "envlock.toml", {"env": env}),
        name="demo",
        lock_file=pulls.lock,
        edges=edges_with(artifacts=pulls.cache, registry=lambda: pulls.registry),
        warn=pulls.warned.append,
    )
    below, above = making.pulled(REPOSITORY, None)
    assert (below.index, pulls.warned) == (pulls.image.index, [])
    assert [layer.digest for layer in above.platforms[0].layers[:-1]] == [
        layer.digest for layer in below.platforms[0].layers
    ]
    making.pulled(REPOSITORY, "v1")
    (said,) = pulls.warned
    assert said.startswith(f"{REPOSITORY.tagged('v1')} names another image, {below.index.descriptor.digest}; ")
    assert above.index.descriptor.digest in said


def test_what_was_never_pushed_is_said(pulls: Pulls) -> None:
    """The next step names the environment."""
    pulls.registry.manifests.clear()
    with pytest.raises(UsageError) as caught:
        pulls.pull()
    assert caught.value.reference == "not-pushed"
    assert "envlock push demo" in caught.value.hint


@pytest.mark.parametrize("known", [True, False])
def test_a_layer_of_other_bytes_is_refused(pulls: Pulls, *, known: bool) -> None:
    """Exit 4, and the cache keeps nothing of it."""
    layer = pulls.image.platforms[0].layers[2]
    pulls.registry.blobs[REPOSITORY.name][layer.digest] = b"x" * layer.size
    with pytest.raises(IntegrityError) as caught:
        pulls.pull(known=known)
    assert caught.value.exit_code == 4
    assert not [path for path in pulls.cache.root.rglob("blob") if path.stat().st_size == layer.size]


def test_an_image_of_another_lock_is_refused(pulls: Pulls) -> None:
    """Where only a tag says that it is this lock's: labels are compared first."""
    other = lock_of([make_wheel(pulls.folder, "small", "2.0")])
    with pytest.raises(IntegrityError) as caught:
        pulls.pull("v1", known=False, lock=other)
    assert (caught.value.reference, "dev.envlock.lock.digest" in caught.value.what) == ("not-the-locked-image", True)


def test_labels_alone_do_not_make_an_image(pulls: Pulls) -> None:
    """With the right labels the lock layer still has to hold the lock."""
    other = lock_of([make_wheel(pulls.folder, "small", "2.0")])
    ours, theirs = pulls.lock.digest.encode(), other.digest.encode()
    pulls.retag("fake", lambda raw: raw.replace(ours, theirs))
    with pytest.raises(IntegrityError) as caught:
        pulls.pull("fake", known=False, lock=other)
    assert "does not hold this lock" in caught.value.what


def test_a_wrong_diff_id_is_refused(pulls: Pulls) -> None:
    """A configuration that says something else of a layer than what is in it."""
    layer = pulls.image.platforms[0].layers[2]
    pulls.retag("fake", lambda raw: raw.replace(layer.diff_id[7:].encode(), b"0" * 64))
    with pytest.raises(IntegrityError) as caught:
        pulls.pull("fake", known=False)
    assert caught.value.reference == "digest-mismatch"
    assert caught.value.expected == f"sha256:{'0' * 64}"


def test_what_is_no_index_is_refused(pulls: Pulls) -> None:
    """Images of ours always are one."""
    manifest = pulls.image.platforms[0].manifest.descriptor
    pulls.registry.tags[REPOSITORY.name]["bare"] = manifest.digest
    with pytest.raises(IntegrityError) as caught:
        pulls.pull("bare", known=False)
    assert caught.value.reference == "not-the-locked-image"


@pytest.mark.parametrize("platform", [None, "amd64"])
def test_an_image_beside_the_one_that_was_looked_at_is_refused(pulls: Pulls, platform: str | None) -> None:
    """Of two for one platform an Engine takes the first, and one without a platform may be started too."""
    index = parse_index(pulls.image.index.raw, "index")
    [ours] = index.manifests
    other = replace(ours, digest=f"sha256:{'e' * 64}", platform=ours.platform if platform else None)
    raw = canonical_json(replace(index, manifests=(other, ours)))
    pulls.registry.manifests[REPOSITORY.name][digest_of(raw)] = (raw, index.media_type)
    pulls.registry.tags[REPOSITORY.name]["two"] = digest_of(raw)
    with pytest.raises(IntegrityError) as caught:
        pulls.pull("two", known=False)
    assert (caught.value.reference, caught.value.found[:8]) == ("not-the-locked-image", "2 images")


def test_a_configuration_of_another_platform_is_refused(pulls: Pulls) -> None:
    """An Engine reads it, not the index."""
    pulls.retag("fake", lambda raw: raw.replace(b'"architecture":"amd64"', b'"architecture":"arm64"'))
    with pytest.raises(IntegrityError, match="configuration is of another platform"):
        pulls.pull("fake", known=False)


def test_a_lock_layer_that_inflates_to_gigabytes_is_not_read(pulls: Pulls, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its one file has the lock's size, or it is not the lock's layer."""
    read: list[bytes] = []

    def chunks() -> Iterator[bytes]:
        for _ in range(1 << 20):
            read.append(b"x" * 4096)
            yield read[-1]

    def bomb(*_: object, **__: object) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        name = f"opt/envlock/pylock.{pulls.lock.lock.env}.toml"
        yield Entry(path=name, kind="file", mode=0o644, size=1 << 32), chunks()

    monkeypatch.setattr("envlock.operations.pull.read_layer", bomb)
    with pytest.raises(IntegrityError, match="does not hold this lock"):
        pulls.pull(known=False)
    assert read == []
