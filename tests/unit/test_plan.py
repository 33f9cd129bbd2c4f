"""The order of layers, their keys, and the threshold between large and small wheels."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from envlock.errors import UsageError
from envlock.formats.base_documents import BaseDocuments, BaseLayer
from envlock.formats.oci import LAYER, Config, Descriptor, RootFs
from envlock.image.install import venv_skeleton
from envlock.image.layer import Layer
from envlock.image.plan import interpreter_identity, plan_layers, threshold_for
from envlock.model.artifact import Deb, Wheel
from envlock.model.lock import Base, BaseImage, BaseManifest, ImageConfig, Lock, LockFile, Package, RunLayer
from envlock.model.platform import Platform
from envlock.model.reference import Reference

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
AMD, ARM = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
BOTH = BaseImage(
    reference="example.com/b",
    manifests=(BaseManifest(platform="linux/amd64", digest=AMD), BaseManifest(platform="linux/arm64", digest=ARM)),
)
ON_IMAGE = msgspec.structs.replace(BASE, recipe=None, image=BOTH, packages=(deb("libgomp1"),))
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
        hashlib.sha256(keys.encode()).hexdigest() == "d5554585f07bae78ae724039506bb46c28efc42ac960d34f60a559e880454c7e"
    )


def test_platforms_share_all_but_the_base() -> None:
    """Bytecode depends on the interpreter's version and on no architecture: a pure wheel has one layer."""
    one, other = plan(), plan(platform=ARM64)
    assert [mine == yours for mine, yours in zip(one, other, strict=True)] == [False, *[True] * 8]


def test_the_interpreter_is_known_by_its_packages_or_by_its_image() -> None:
    """Name and version, whatever the architecture; of an image, the digests of the locked platforms in any order."""
    later = deb("python3.9-minimal", "2", "arm64")
    assert interpreter_identity(BASE) != interpreter_identity(
        msgspec.structs.replace(BASE, packages=(*BASE.packages[:3], later))
    )
    fewer = msgspec.structs.replace(BASE, packages=BASE.packages[1:3])
    assert interpreter_identity(BASE) == interpreter_identity(fewer)
    swapped = BaseImage(reference="example.com/b", manifests=BOTH.manifests[::-1])
    assert interpreter_identity(ON_IMAGE) == interpreter_identity(msgspec.structs.replace(ON_IMAGE, image=swapped))
    assert interpreter_identity(ON_IMAGE) != interpreter_identity(BASE)
    other = msgspec.structs.replace(ON_IMAGE, interpreter="/usr/local/bin/python3.9")
    assert interpreter_identity(ON_IMAGE) != interpreter_identity(other)


def documents(number: int) -> BaseDocuments:
    """A base of so many layers."""
    layers = tuple(
        BaseLayer(
            descriptor=Descriptor(media_type=LAYER, digest=f"sha256:{n:064x}", size=n), diff_id=f"sha256:{n + 999:064x}"
        )
        for n in range(number)
    )
    config = Config(
        architecture="amd64",
        os="linux",
        rootfs=RootFs(type="layers", diff_ids=tuple(layer.diff_id for layer in layers)),
    )
    return BaseDocuments(reference=Reference.parse("example.com/b").at(AMD), layers=layers, config=config)


def kinds(lock: Lock, base: BaseDocuments | None) -> list[str]:
    return [layer.kind for layer in plan_layers(LockFile(lock=lock, raw=b"lock"), AMD64, base)]


def test_an_image_of_a_registry_lies_lowest_and_packages_above_the_wheels() -> None:
    """As the layer spec has it; what the base brings is given by digest and never in envlock.sum."""
    run = RunLayer(platform="linux/amd64", sha256="e" * 64, diff_id=AMD, size=7, path=f"built/{'e' * 16}/run.tar.gz")
    base = msgspec.structs.replace(ON_IMAGE, run=("true",), run_layers=(run,))
    lock = msgspec.structs.replace(LOCK, base=base)
    assert kinds(lock, documents(2)) == ["registry", "registry", "venv", *["wheels"] * 6, "packages", "run", "lock"]
    planned = plan_layers(LockFile(lock=lock, raw=b"lock"), AMD64, documents(2))
    assert {layer.kind for layer in planned if layer.given} == {"registry", "run"}
    assert planned[1].given == Layer(digest=f"sha256:{1:064x}", diff_id=f"sha256:{1000:064x}", size=1)
    assert planned[-2].given == Layer(digest=f"sha256:{'e' * 64}", diff_id=AMD, size=7)
    assert kinds(lock, None) == ["venv", *["wheels"] * 6, "packages", "run", "lock"]


def test_an_environment_of_the_base_itself_is_hidden() -> None:
    """Its packages are nobody's who reads the lock; so the skeleton has another layer than on packages."""
    hidden = "opt/venv/.wh..wh..opq"
    paths = [entry.path for entry, _ in venv_skeleton("3.9.2", "/usr/bin/python3.9", opaque=True)]
    assert paths[:2] == ["opt/venv", hidden]
    assert hidden not in [entry.path for entry, _ in venv_skeleton("3.9.2", "/usr/bin/python3.9")]
    lock = msgspec.structs.replace(LOCK, base=ON_IMAGE)
    assert plan_layers(LockFile(lock=lock, raw=b"lock"), AMD64)[0].key != plan()[1][1]


def test_packages_above_an_image_depend_on_that_image() -> None:
    """What effects write speaks of the base's files as well."""

    def key(base: Base) -> str:
        planned = plan_layers(LockFile(lock=msgspec.structs.replace(LOCK, base=base), raw=b"lock"), AMD64)
        return next(layer.key for layer in planned if layer.kind == "packages")

    other = BaseImage(reference="example.com/b", manifests=(BaseManifest(platform="linux/amd64", digest=ARM),))
    assert key(ON_IMAGE) != key(msgspec.structs.replace(ON_IMAGE, image=other))
    assert key(ON_IMAGE) != key(msgspec.structs.replace(ON_IMAGE, effects=()))


def test_a_base_of_many_layers_leaves_less_room() -> None:
    """The threshold of the lock is raised as far as need be; a base that leaves none is refused."""
    lock = msgspec.structs.replace(LOCK, base=ON_IMAGE)
    assert len(kinds(lock, documents(90))) == 99
    assert kinds(lock, documents(94))[94:] == ["venv", "wheels", "wheels", "packages", "lock"]
    assert kinds(lock, documents(96))[96:] == ["venv", "wheels", "packages", "lock"]
    with pytest.raises(UsageError, match="too-many-layers") as raised:
        kinds(lock, documents(97))
    assert (raised.value.expected, raised.value.found) == (
        "at most 96, so that the image has no more than 100",
        "97 layers",
    )


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
