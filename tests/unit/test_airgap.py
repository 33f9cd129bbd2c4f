"""The artifacts of a lock leave by a folder and come back into a cache, each one checked."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest

from envlock.adapters.cache import Cache
from envlock.errors import IntegrityError, UsageError
from envlock.model.artifact import Build, Deb, Requirement, Sdist
from envlock.model.edges import NoProgress
from envlock.model.lock import Lock, RunLayer
from envlock.model.platform import Platform
from envlock.operations.airgap import Artifact, artifacts_of, carry_in, carry_out
from tests.unit.venvs import demo_wheel, lock_of

AMD64, MACOS = Platform("linux", "amd64"), Platform("macos", "arm64")


def artifact(name: str, body: bytes, cache: Cache | None = None) -> Artifact:
    """Return a file, put into a cache."""
    row = Artifact(name=name, sha256=hashlib.sha256(body).hexdigest(), size=len(body))
    if cache is not None:
        cache.place(row.sha256, name).write_bytes(body)
    return row


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def rows(cache: Cache) -> list[Artifact]:
    return [artifact("a.whl", b"one", cache), artifact("b.deb", b"second", cache)]


def lock_with_a_build(tmp_path: Path) -> Lock:
    lock = lock_of([demo_wheel(tmp_path)], base_python="3.11.2").lock
    inner = Build(sdist=Sdist(name="tool-1.0.tar.gz", size=5, sha256="4" * 64), requires=())

    def required(name: str, tag: str, digit: str, build: Build | None = None) -> Requirement:
        file = f"{name}-1.0-{tag}.whl"
        return Requirement(name=name, version="1.0", file=file, size=6, sha256=digit * 64, build=build)

    build = Build(
        sdist=Sdist(name="demo-1.0.tar.gz", size=5, sha256="5" * 64),
        requires=(
            required("setuptools", "py3-none-any", "6"),
            required("numpy", "cp311-cp311-manylinux_2_17_aarch64", "3"),
            required("tool", "py3-none-any", "2", inner),
        ),
    )

    def deb(name: str, architecture: str, digit: str) -> Deb:
        path = f"pool/{name}_1_{architecture}.deb"
        return Deb(
            name=name, version="1", architecture=architecture, archive="debian", path=path, size=7, sha256=digit * 64
        )

    assert lock.base is not None
    base = msgspec.structs.replace(
        lock.base,
        packages=(deb("libc6", "amd64", "7"), deb("libc6", "arm64", "8")),
        build_packages=(deb("gcc", "all", "9"),),
    )
    (wheel,) = lock.packages[0].wheels
    wheel = msgspec.structs.replace(wheel, path=f"built/{wheel.sha256[:16]}/{wheel.name}")
    package = msgspec.structs.replace(lock.packages[0], wheels=(wheel,), build=build)
    return msgspec.structs.replace(lock, base=base, packages=(package,))


def test_every_artifact_of_a_lock(tmp_path: Path) -> None:
    """Wheels, what they were built of, and the .debs of the platform, build packages too."""
    found = artifacts_of(lock_with_a_build(tmp_path), [AMD64])
    assert [row.name for row in found] == [
        "demo-1.0-py3-none-any.whl",
        "demo-1.0.tar.gz",
        "gcc_1_all.deb",
        "libc6_1_amd64.deb",
        "setuptools-1.0-py3-none-any.whl",
        "tool-1.0-py3-none-any.whl",
        "tool-1.0.tar.gz",
    ]


def test_what_run_steps_changed_travels_too(tmp_path: Path) -> None:
    """Of the platforms that are asked for."""
    lock = lock_with_a_build(tmp_path)
    assert lock.base is not None
    rows = tuple(
        RunLayer(
            platform=f"linux/{architecture}",
            sha256=digit * 64,
            diff_id=f"sha256:{digit * 64}",
            size=9,
            path=f"built/{digit * 16}/run.tar.gz",
        )
        for architecture, digit in (("amd64", "a"), ("arm64", "b"))
    )
    lock = msgspec.structs.replace(lock, base=msgspec.structs.replace(lock.base, run=("true",), run_layers=rows))
    found = [row for row in artifacts_of(lock, [AMD64]) if row.name == "run.tar.gz"]
    assert found == [Artifact(name="run.tar.gz", sha256="a" * 64, size=9)]


def test_no_debs_for_other_systems(tmp_path: Path) -> None:
    """A platform that runs no Debian packages needs none."""
    lock = msgspec.structs.replace(lock_with_a_build(tmp_path), platforms=(MACOS,))
    assert not [row.name for row in artifacts_of(lock, [MACOS]) if row.name.endswith(".deb")]


def test_out_and_in_again(cache: Cache, rows: list[Artifact], tmp_path: Path) -> None:
    """What was carried out fills an empty cache; the second time there is nothing to do."""
    folder, other = tmp_path / "folder", Cache(tmp_path / "other")
    assert carry_out(rows, cache, folder, NoProgress()) == 9
    assert carry_out(rows, cache, folder, NoProgress()) == 0
    assert carry_in(rows, folder, other, NoProgress()) == 9
    assert carry_in(rows, folder, other, NoProgress()) == 0
    for row in rows:
        path = other.get(row.sha256, row.name)
        assert path is not None
        assert path.stat().st_size == row.size


def test_folder_is_a_cache(cache: Cache, rows: list[Artifact], tmp_path: Path) -> None:
    """The folder can be used in place."""
    carry_out(rows, cache, tmp_path / "folder", NoProgress())
    assert all(Cache(tmp_path / "folder").get(row.sha256, row.name) for row in rows)


@pytest.mark.parametrize(("body", "found"), [(b"on", "2 bytes"), (b"ona", "sha256 ")])
def test_damaged_file(cache: Cache, rows: list[Artifact], tmp_path: Path, body: bytes, found: str) -> None:
    """A cut or changed file is named and never reaches the cache; carrying out again mends it."""
    folder, other = tmp_path / "folder", Cache(tmp_path / "other")
    carry_out(rows, cache, folder, NoProgress())
    place = rows[0].below(folder)
    place.write_bytes(body)
    with pytest.raises(IntegrityError) as caught:
        carry_in(rows, folder, other, NoProgress())
    assert (caught.value.reference, caught.value.where) == ("damaged-artifact", str(place))
    assert caught.value.found.startswith(found)
    assert other.get(rows[0].sha256, rows[0].name) is None
    assert place.read_bytes() == body
    assert carry_out(rows, cache, folder, NoProgress()) == 3
    assert carry_in(rows, folder, other, NoProgress()) == 9


def test_missing_file(cache: Cache, rows: list[Artifact], tmp_path: Path) -> None:
    """Nothing is copied before everything is known to be there."""
    folder, other = tmp_path / "folder", Cache(tmp_path / "other")
    carry_out(rows, cache, folder, NoProgress())
    rows[1].below(folder).unlink()
    with pytest.raises(UsageError) as caught:
        carry_in(rows, folder, other, NoProgress())
    assert (caught.value.reference, caught.value.found) == ("not-in-folder", "b.deb")
    assert caught.value.hint == "Where there is a network: envlock fetch --to folder"
    assert other.get(rows[0].sha256, rows[0].name) is None


def test_carrying_out_what_is_not_there(cache: Cache, tmp_path: Path) -> None:
    """The cache must have it."""
    with pytest.raises(UsageError) as caught:
        carry_out([artifact("c.whl", b"nowhere")], cache, tmp_path / "folder", NoProgress())
    assert caught.value.reference == "not-fetched"
