"""Pushes into a registry in a dict: what is sent, mounted, left alone and refused."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from envlock.errors import IntegrityError, UsageError
from envlock.image.oci import Image
from envlock.image.sums import read_sums
from envlock.model.lock import LockFile
from envlock.model.reference import Reference
from envlock.operations.build import build, known_image
from envlock.operations.materials import Elsewhere
from envlock.operations.push import Published, publish
from envlock.operations.references import Destination
from tests.unit.images import lock_of, materials
from tests.unit.registries import DictRegistry
from tests.unit.wheels import make_wheel

REPOSITORY = Reference.parse("registry.example.com/team/churn")
OTHER = Reference.parse("registry.example.com/team/other")
ELSEWHERE = Reference.parse("registry.example.org/team/churn")


class Team:
    """A lock of a large and a small wheel, one machine and one registry."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        files = folder / "wheels"
        files.mkdir()
        weights = {"big/weights.bin": os.urandom(2 << 20), "big/__init__.py": b""}
        self.big = make_wheel(files, "big", "2.0", weights, stored=frozenset({"big/weights.bin"}))
        self.small = make_wheel(files, "small", "1.0")
        self.lock = lock_of([self.big, self.small])
        self.registry = DictRegistry()
        self.built = 0

    def make(self, lock: LockFile, wheels: list[Path]) -> Callable[[Elsewhere], Image]:
        def made(elsewhere: Elsewhere) -> Image:
            self.built += 1
            return build(lock, materials=dataclasses.replace(materials(self.folder, wheels), elsewhere=elsewhere))

        return made

    def push(
        self,
        lock: LockFile | None = None,
        *tags: str,
        to: Reference = REPOSITORY,
        sources: tuple[Reference, ...] = (),
        rebuild: bool = False,
    ) -> Published:
        lock = lock or self.lock
        wheels = [self.big, *sorted(self.small.parent.glob("small-*"))]
        self.registry.calls.clear()
        return publish(
            Destination(repository=to, tags=tags),
            make=self.make(lock, wheels),
            known=known_image(lock, read_sums(self.folder / "envlock.sum")),
            registry=self.registry,
            sources=sources,
            rebuild=rebuild,
        )


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path)


def test_everything_is_sent_once_and_named(team: Team) -> None:
    """Layers, configuration, manifest, index; the lock's tag and the user's name the index."""
    published = team.push(None, "v1")
    layers = {layer.digest for layer in published.image.platforms[0].layers}
    assert (published.sent, published.mounted, published.there) == (len(layers) + 1, 0, 0)
    assert published.sent_bytes == team.registry.sent_bytes
    tag = f"lock-{team.lock.digest[:32]}"
    assert team.registry.tags[REPOSITORY.name] == {tag: published.digest, "v1": published.digest}
    assert published.references == (
        f"registry.example.com/team/churn:{tag}@{published.digest}",
        f"registry.example.com/team/churn:v1@{published.digest}",
    )


def test_a_push_again_asks_for_the_tag_and_no_more(team: Team) -> None:
    """Nothing is built and no blob is looked at."""
    team.push()
    published = team.push()
    assert (published.unchanged, published.sent_bytes, team.built) == (True, 0, 1)
    assert [call.split()[0] for call in team.registry.calls] == ["find"]


def test_a_new_tag_of_a_known_image_is_the_index_alone(team: Team) -> None:
    """The index is put under it; what it named before is told."""
    team.push(None, "v1")
    newer = team.push(_bumped(team), "v1")
    assert [each.before for each in newer.tags] == [None, known(team)]
    back = team.push(None, "v1")
    assert (back.unchanged, [each.before for each in back.tags]) == (True, [None, newer.digest])
    assert team.registry.called("put_manifest") == 1
    assert team.registry.called("upload") == 0


def known(team: Team) -> str:
    image = known_image(team.lock, read_sums(team.folder / "envlock.sum"))
    assert image is not None
    return image.index.descriptor.digest


def _bumped(team: Team) -> LockFile:
    newer = make_wheel(team.small.parent, "small", "1.1")
    return lock_of([team.big, newer])


def test_a_bump_sends_what_differs(team: Team) -> None:
    """The layer of the small wheels, the lock and the documents; the large layer is not even read."""
    team.push()
    large = max(team.registry.blobs[REPOSITORY.name], key=lambda key: len(team.registry.blobs[REPOSITORY.name][key]))
    for blob in (team.folder / "layers").glob("*/blob"):
        if blob.stat().st_size > 1 << 20:
            blob.unlink()
    published = team.push(_bumped(team))
    assert (published.sent, published.there) == (3, 3)
    assert published.sent_bytes < 1 << 14
    assert f"has_blob {REPOSITORY.name} {large}" in team.registry.calls
    assert large not in published.image.files


def test_blobs_of_the_same_registry_are_mounted(team: Team) -> None:
    """From repositories that the manifest knows; those that may not be read, and other hosts, are passed over."""
    team.push()
    denied = Reference.parse("registry.example.com/secret/place")
    team.registry.denied.add(denied.name)
    published = team.push(None, to=OTHER, sources=(denied, OTHER, ELSEWHERE, REPOSITORY))
    assert (published.sent, published.there) == (0, 0)
    assert published.mounted == len(published.image.platforms[0].layers) + 1
    assert not any(ELSEWHERE.name in call for call in team.registry.calls)
    assert team.push(None, to=ELSEWHERE, sources=(REPOSITORY,)).mounted == 0


def test_a_moved_lock_tag_is_an_integrity_failure(team: Team) -> None:
    """Whether envlock.sum knows the image or not; both digests are named, and the tag stays."""
    other = team.push(_bumped(team)).digest
    team.registry.tags[REPOSITORY.name][f"lock-{team.lock.digest[:32]}"] = other
    for _ in range(2):
        with pytest.raises(IntegrityError) as caught:
            team.push()
        assert (caught.value.reference, caught.value.found, caught.value.exit_code) == ("lock-tag-moved", other, 4)
        assert caught.value.expected == known(team)
    assert team.registry.tags[REPOSITORY.name][f"lock-{team.lock.digest[:32]}"] == other


def test_rebuild_believes_nothing(team: Team) -> None:
    """The lock's tag saves nothing, and every blob is looked up in the registry; nothing is sent twice."""
    team.push()
    published = team.push(rebuild=True)
    assert (published.unchanged, published.sent, team.built) == (False, 0, 2)
    layers = len(published.image.platforms[0].layers)
    assert len(published.image.files) == layers
    assert team.registry.called("has_blob") == layers + 1


def test_a_layer_that_vanished_is_said(team: Team) -> None:
    """Where a build relied on the registry and it lost a layer meanwhile, no manifest is put."""
    first = team.push()
    image = msgspec.structs.replace(first.image, files={})
    digest = image.platforms[0].layers[0].digest
    del team.registry.blobs[REPOSITORY.name][digest]
    team.registry.tags.clear()
    with pytest.raises(UsageError) as caught:
        publish(Destination(repository=REPOSITORY), make=lambda _: image, known=None, registry=team.registry)
    assert (caught.value.reference, caught.value.found) == ("layer-gone", digest)
    assert team.registry.tags == {}


def test_an_upload_that_fails_leaves_no_name(team: Team) -> None:
    """The error is the registry's, and neither manifest nor tag is there."""
    team.registry.broken.add("registry.example.com")
    with pytest.raises(UsageError) as caught:
        team.push()
    assert caught.value.reference == "registry-failed"
    assert (team.registry.tags, team.registry.manifests) == ({}, {})
