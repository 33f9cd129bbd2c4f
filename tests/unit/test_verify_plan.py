"""Which layers an image on a base from a registry must have, where the base's own documents are not at hand."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from envlock.formats.base_documents import BaseDocuments, BaseLayer
from envlock.formats.oci import LAYER, Config, Descriptor, RootFs
from envlock.formats.pylock import parse_lock, write_lock
from envlock.image.layer import Layer
from envlock.image.plan import plan_layers
from envlock.image.sums import Sums, format_sums
from envlock.model.lock import BaseImage, BaseManifest, LockFile, RunLayer
from envlock.model.observation import ImageFact, LayerFact
from envlock.model.platform import Platform
from envlock.model.reference import Reference
from envlock.operations.expected_image import expected_sums, planned_layers
from tests.unit.images import AMD64, lock_of, locked
from tests.unit.wheels import make_wheel

REFERENCE = "registry.example.com/python:3.9"


def hexes(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


def registry_lock(tmp_path: Path, wheels: int, *, run: bool = False) -> LockFile:
    """Return a lock of that many wheels of 2 MiB on a base from a registry."""
    wheel = make_wheel(tmp_path, "demo", "1.0")
    package, plain = locked(wheel), lock_of([wheel]).lock
    base = plain.base
    assert base is not None
    image = BaseImage(
        reference=REFERENCE, manifests=(BaseManifest(platform=str(AMD64), digest=f"sha256:{hexes('base')}"),)
    )
    layer = RunLayer(
        platform=str(AMD64),
        sha256=hexes("run"),
        diff_id=f"sha256:{hexes('run tar')}",
        size=7,
        path="built/" + "0" * 16 + "/run",
    )
    packages = tuple(
        msgspec.structs.replace(
            package,
            name=f"demo-{number:03}",
            wheels=(
                msgspec.structs.replace(
                    package.wheels[0],
                    name=f"demo_{number:03}-1.0-py3-none-any.whl",
                    size=(2 << 20) + number,
                    sha256=hexes(str(number)),
                    path=f"wheels/{hexes(str(number))[:16]}/demo_{number:03}-1.0-py3-none-any.whl",
                ),
            ),
        )
        for number in range(wheels)
    )
    lock = msgspec.structs.replace(
        plain,
        packages=packages,
        base=msgspec.structs.replace(
            base, recipe=None, image=image, run=("true",) if run else (), run_layers=(layer,) if run else ()
        ),
    )
    return parse_lock(write_lock(lock), "pylock.demo.toml")


def documents(layers: int) -> BaseDocuments:
    rows = tuple(
        BaseLayer(
            descriptor=Descriptor(media_type=LAYER, digest=f"sha256:{hexes(f'layer {at}')}", size=at),
            diff_id=f"sha256:{hexes(f'tar {at}')}",
        )
        for at in range(layers)
    )
    config = Config(architecture="amd64", os="linux", rootfs=RootFs(type="layers", diff_ids=()))
    return BaseDocuments(reference=Reference.parse(REFERENCE), layers=rows, config=config)


def image_of(lock: LockFile, base: BaseDocuments) -> tuple[ImageFact, Sums]:
    """Return an image of the lock as it would be seen, and what envlock.sum says of it."""
    plan = plan_layers(lock, AMD64, base)
    made = {
        planned.key: Layer(digest=f"sha256:{hexes(planned.key)}", diff_id=f"sha256:{hexes(planned.title)}", size=9)
        for planned in plan
        if planned.given is None
    }
    layers = [planned.given or made[planned.key] for planned in plan]
    fact = ImageFact(
        reference="oci:out",
        platform=AMD64,
        digest="0" * 64,
        labels={},
        layers=tuple(
            LayerFact(digest=layer.digest[7:], size=layer.size, diff_id=layer.diff_id[7:]) for layer in layers
        ),
        lock=lock.raw,
    )
    return fact, Sums(layers=made)


@pytest.mark.parametrize(("wheels", "base_layers"), [(1, 1), (3, 4), (60, 30), (70, 60), (90, 9), (120, 90), (96, 3)])
def test_layers_of_the_base_are_what_the_plan_leaves_over(tmp_path: Path, wheels: int, base_layers: int) -> None:
    """Also where the base has so many that fewer wheels get a layer of their own."""
    lock, base = registry_lock(tmp_path, wheels), documents(base_layers)
    fact, known = image_of(lock, base)
    assert planned_layers(lock, AMD64, fact.layers, known) == plan_layers(lock, AMD64, base)


def test_what_is_sure_of_each_layer(tmp_path: Path) -> None:
    """The lock itself says what run steps left, envlock.sum what was built, the base's documents its own layers."""
    lock, base = registry_lock(tmp_path, 2, run=True), documents(2)
    fact, known = image_of(lock, base)
    path = tmp_path / "envlock.sum"

    path.write_bytes(format_sums(known))
    without = expected_sums(path, lock, fact, lambda _: None)
    assert [row.digest for row in without.plan] == ["", "", *(layer.digest for layer in fact.layers[2:])]
    assert hexes("run") in without.layers
    whole = expected_sums(path, lock, fact, lambda platform: base if platform == AMD64 else None)
    assert [row.digest for row in whole.plan] == [layer.digest for layer in fact.layers]
    assert {layer.digest for layer in fact.layers} <= whole.layers


def test_image_of_another_platform_has_no_plan(tmp_path: Path) -> None:
    """Nothing is expected of it."""
    lock, base = registry_lock(tmp_path, 1), documents(2)
    fact, _ = image_of(lock, base)
    other = msgspec.structs.replace(fact, platform=Platform("linux", "arm64"))
    assert expected_sums(tmp_path / "none", lock, other, lambda _: None).plan == ()


def test_image_of_fewer_layers_than_are_planned(tmp_path: Path) -> None:
    """The plan stays what it is, so that the number of layers is held against the image."""
    lock, base = registry_lock(tmp_path, 3), documents(2)
    fact, _ = image_of(lock, base)
    assert len(planned_layers(lock, AMD64, fact.layers[4:])) > len(fact.layers[4:])
