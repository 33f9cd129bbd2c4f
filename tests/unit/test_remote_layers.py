"""Layers brought from registries instead of built, and what becomes of registries that cannot be used."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from envlock.errors import UsageError
from envlock.image.layer import Layer
from envlock.model.edges import Registry
from envlock.model.lock import LockFile
from envlock.model.reference import Reference
from envlock.operations.build import build
from envlock.operations.materials import Materials
from envlock.operations.push import publish
from envlock.operations.references import Destination
from envlock.operations.remote_layers import RemoteLayers
from tests.unit.images import lock_of, materials
from tests.unit.registries import DictRegistry
from tests.unit.wheels import make_wheel

FIRST = Reference.parse("first.example.com/team/churn")
SECOND = Reference.parse("second.example.com/team/churn")


class Machines:
    """Somebody who pushed, and a fresh machine with the same lock and envlock.sum."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        wheels = [make_wheel(folder, "small", "1.0")]
        self.lock: LockFile = lock_of(wheels)
        self.registry = DictRegistry()
        first = materials(folder, wheels)
        self.image = build(self.lock, materials=first)
        self.layers: list[Layer] = list(self.image.platforms[0].layers)
        publish(Destination(repository=SECOND), make=lambda _: self.image, known=None, registry=self.registry)
        self.registry.calls.clear()
        self.fetched: list[str] = []
        self.warned: list[str] = []

    def fresh(self, *repositories: Reference) -> Materials:
        """Return materials of an empty cache, whose wheels are counted."""
        known = materials(self.folder, [self.folder / "small-1.0-py3-none-any.whl"])

        def wheels(wheel: object) -> Path:
            self.fetched.append(str(wheel))
            return self.folder / "small-1.0-py3-none-any.whl"

        def opened() -> Registry:
            return self.registry

        brought = RemoteLayers(repositories, opened, self.warned.append)
        return dataclasses.replace(known, wheels=wheels, layers=self.folder / "fresh", brought=brought)


@pytest.fixture
def machines(tmp_path: Path) -> Machines:
    return Machines(tmp_path)


def test_a_fresh_machine_needs_no_wheel(machines: Machines) -> None:
    """Every layer comes by its digest; the image is the same, its layers are here."""
    image = build(machines.lock, materials=machines.fresh(FIRST, SECOND))
    assert image.index == machines.image.index
    assert (machines.fetched, machines.warned) == ([], [])
    assert len(image.files) == len(machines.layers)
    assert machines.registry.called("blob") == len(machines.layers)


def test_what_the_registry_lacks_is_built(machines: Machines) -> None:
    """With the same digest, without a word."""
    wheels = machines.layers[2]
    del machines.registry.blobs[SECOND.name][wheels.digest]
    image = build(machines.lock, materials=machines.fresh(SECOND))
    assert image.index == machines.image.index
    assert len(machines.fetched) == 1
    assert machines.warned == []


def test_a_registry_out_of_reach_is_told_once(machines: Machines) -> None:
    """All layers are built."""
    machines.registry.broken.add("second.example.com")
    image = build(machines.lock, materials=machines.fresh(SECOND, Reference.parse("second.example.com/other")))
    assert image.index == machines.image.index
    assert machines.warned == [
        "No layers come from second.example.com/team/churn; they are built here. The registry cannot be used. (down)"
    ]
    assert machines.registry.called("has_blob") == 1


def test_offline_nothing_is_told(machines: Machines) -> None:
    """--offline means it."""

    class Offline(DictRegistry):
        def has_blob(self, reference: Reference, digest: str) -> bool:
            raise UsageError("offline", "This needs a registry, and --offline forbids it.")

    machines.registry = Offline()
    assert build(machines.lock, materials=machines.fresh(FIRST, SECOND)).index == machines.image.index
    assert machines.warned == []


def test_other_bytes_never_reach_the_cache(machines: Machines) -> None:
    """A registry that serves them under a vouched-for digest is warned of, and its layer is built instead."""
    wheels = machines.layers[2]
    machines.registry.blobs[SECOND.name][wheels.digest] = b"x" * wheels.size
    image = build(machines.lock, materials=machines.fresh(SECOND))
    assert image.index == machines.image.index
    assert len(machines.fetched) == 1
    assert len(machines.warned) == 1
    assert not [path for path in (machines.folder / "fresh").rglob(".*") if path.is_file()]


@pytest.mark.parametrize("change", [-1, 1])
def test_another_size_never_reaches_the_cache(machines: Machines, tmp_path: Path, change: int) -> None:
    """Whatever a client says of the digest."""

    class Sloppy(DictRegistry):
        def blob(self, reference: Reference, digest: str) -> Iterator[bytes]:
            raw = machines.registry.blobs[reference.name][digest]
            yield raw[:change] if change < 0 else raw + b"x"

        def has_blob(self, reference: Reference, digest: str) -> bool:
            return True

    warned: list[str] = []
    layer = machines.layers[2]
    path = tmp_path / "place" / "blob"
    task = _Task()
    assert not RemoteLayers((SECOND,), Sloppy, warned.append)(layer, path, task)
    assert not path.exists()
    assert "size" in warned[0]


class _Task:
    def advance(self, amount: int = 1) -> None:
        pass
