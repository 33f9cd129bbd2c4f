"""The order of layers, their keys, and the threshold between large and small wheels."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from envlock.errors import UsageError
from envlock.image.plan import interpreter_identity, plan_layers, threshold_for
from envlock.model.artifact import Deb, Wheel
from envlock.model.lock import Base, ImageConfig, Lock, LockFile, Package
from envlock.model.platform import Platform

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
MIB = 1 << 20


def package(name: str, size: int) -> Package:
    wheel = Wheel(
        name=f"{name}-1.0-py3-none-any.whl",
        size=size,
        sha256=name.encode().hex().ljust(64, "0"),
        contents="0" * 64,
        record="0" * 64,
        path=f"wheels/{name.encode().hex().ljust(64, '0')[:16]}/{name}-1.0-py3-none-any.whl",
    )
    return Package(name=name, version="1.0", wheels=(wheel,))


def deb(name: str, version: str = "1", architecture: str = "amd64") -> Deb:
    return Deb(
        name=name,
        version=version,
        architecture=architecture,
        archive="debian",
        path=f"pool/{name}.deb",
        size=1,
        sha256="d" * 64,
    )


BASE = Base(
    recipe="debian-bullseye-python3.9",
    distribution="debian",
    interpreter="/usr/bin/python3.9",
    python="3.9.2",
    glibc="2.31",
    solver="apt",
    effects=("base-passwd",),
    suites=(),
    packages=(
        deb("libc6"),
        deb("libpython3.9-stdlib"),
        deb("python3.9-minimal"),
        deb("python3.9-minimal", "1", "arm64"),
    ),
)
LOCK = Lock(
    env="tf25",
    python="3.9",
    platforms=(AMD64, ARM64),
    packages=(
        package("grpcio", 4 * MIB),
        package("numpy", 14 * MIB),
        package("pandas", 9 * MIB),
        package("six", 11_000),
        package("tensorflow", 454 * MIB),
        package("wheel", MIB - 1),
        package("wrapt", MIB),
    ),
    frameworks=("tensorflow",),
    as_of=None,
    image=ImageConfig(),
    base=BASE,
)


def plan(lock: Lock = LOCK, platform: Platform = AMD64, raw: bytes = b"lock") -> list[tuple[str, str]]:
    return [(layer.title, layer.key) for layer in plan_layers(LockFile(lock=lock, raw=raw), platform)]


def test_the_largest_power_of_two_lies_lowest_then_names() -> None:
    """A bump of a small package leaves the framework's layer where it is."""
    assert [title for title, _ in plan()] == [
        "debian-bullseye-python3.9, 3 Debian packages",
        "virtual environment of Python 3.9.2",
        "tensorflow 1.0",
        "numpy 1.0",
        "pandas 1.0",
        "grpcio 1.0",
        "wrapt 1.0",
        "six 1.0, wheel 1.0",
        "lock of tf25",
    ]


def test_without_small_wheels_there_is_no_overflow_layer() -> None:
    """An empty layer would say nothing."""
    lock = msgspec.structs.replace(LOCK, packages=LOCK.packages[:2])
    assert [title for title, _ in plan(lock)][2:] == ["numpy 1.0", "grpcio 1.0", "lock of tf25"]


CHANGES: dict[str, tuple[dict[str, object], set[str]]] = {
    "nothing": ({}, set()),
    "an interpreter package": (
        {"base": msgspec.structs.replace(BASE, packages=(*BASE.packages[:2], deb("python3.9-minimal", "2")))},
        {"base", "wheels"},
    ),
    "another package of the base": (
        {"base": msgspec.structs.replace(BASE, packages=(deb("libc6", "2"), *BASE.packages[1:]))},
        {"base"},
    ),
    "an effect": ({"base": msgspec.structs.replace(BASE, effects=())}, {"base"}),
    "the recipe's name": ({"base": msgspec.structs.replace(BASE, recipe="mine")}, set()),
    "no bytecode": ({"image": ImageConfig(bytecode=False)}, {"base", "wheels"}),
    "the interpreter's path": ({"base": msgspec.structs.replace(BASE, interpreter="/usr/bin/python")}, {"venv"}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_key_changes_with_what_its_layer_depends_on_and_with_nothing_else(name: str) -> None:
    """Layers stay shared between images, and no cache answers with another layer."""
    change, expected = CHANGES[name]
    before = plan_layers(LockFile(lock=LOCK, raw=b"lock"), AMD64)
    after = plan_layers(LockFile(lock=msgspec.structs.replace(LOCK, **change), raw=b"lock"), AMD64)
    changed = {one.kind for one, other in zip(before, after, strict=True) if one.key != other.key}
    assert changed == expected


def test_the_lock_layer_changes_with_every_byte_of_the_lock() -> None:
    """It holds the file as it is."""
    assert [one == other for one, other in zip(plan(), plan(raw=b"lock\n"), strict=True)] == [*[True] * 8, False]


def test_keys_are_golden() -> None:
    """They are part of envlock.sum: a change makes every committed file stale."""
    keys = "\n".join(key for _, key in plan())
    assert (
        hashlib.sha256(keys.encode()).hexdigest() == "b2e6cb5058c7f5d844e7aa59ad561cb9407c6b79bb7a9b836584d89ddabde5b2"
    )


def test_platforms_share_the_skeleton_alone() -> None:
    """Bytecode depends on the interpreter's package of each architecture."""
    shared = {key for _, key in plan()} & {key for _, key in plan(platform=ARM64)}
    assert shared == {plan()[1][1], plan()[-1][1]}
    assert interpreter_identity(BASE, AMD64) != interpreter_identity(BASE, ARM64)


def test_the_threshold_keeps_an_image_at_100_layers() -> None:
    """The smallest power of two, from 1 MiB on."""
    assert threshold_for([]) == MIB
    assert threshold_for([MIB] * 96) == MIB
    assert threshold_for([MIB] * 97) == 2 * MIB
    assert threshold_for([n * MIB for n in range(1, 301)]) == 256 * MIB
    assert threshold_for([8 * MIB] * 200) == 16 * MIB


def test_a_lock_without_an_image_has_no_plan() -> None:
    """The way to get one is said."""
    with pytest.raises(UsageError) as caught:
        plan(msgspec.structs.replace(LOCK, image=None))
    assert caught.value.reference == "no-image"
