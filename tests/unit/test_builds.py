"""Resolving to a fixed point where packages have no wheel, with a resolver and builds that only pretend."""

from __future__ import annotations

import datetime
import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from envlock.adapters.cache import Cache
from envlock.errors import IntegrityError, UsageError
from envlock.locking.built_wheel import metadata_of
from envlock.locking.sdist import BuiltWheel, Requires
from envlock.model.artifact import Build, Deb, Requirement, Sdist
from envlock.model.edges import BuildRefusedError, Metadata, MetadataUnknownError, NoProgress, Resolution
from envlock.model.lock import Base, Lock, Package
from envlock.model.platform import Platform
from envlock.operations import builds as module
from envlock.operations import rebuild
from envlock.operations.builds import Builds
from envlock.operations.edges import Edges
from tests.unit.wheels import make_wheel

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
WANTED = Resolution(requirements=("top",), python="3.9", platform=AMD64, glibc="2.31", cutoff=None)


def deb(name: str) -> Deb:
    return Deb(
        name=name, version="1", architecture="all", archive="debian", path=f"pool/{name}.deb", size=1, sha256="0" * 64
    )


BASE = Base(
    recipe="sample",
    distribution="debian-11",
    interpreter="/usr/bin/python3.9",
    python="3.9.2",
    glibc="2.31",
    solver="closure",
    effects=(),
    suites=(),
    packages=(deb("libc6"),),
    build_packages=(deb("gcc"),),
)


class Index:
    """A resolver that walks what releases require, newest first, and never knows what an sdist requires."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wheels: dict[str, Path] = {}
        self.sdists: dict[str, Path] = {}
        self.asked: list[Resolution] = []

    def wheel(self, name: str, *requires: str) -> None:
        self.wheels[name] = make_wheel(self.folder, name, requires=requires)

    def sdist(self, name: str) -> None:
        self.sdists[name] = self.folder / f"{name}-1.0.tar.gz"
        self.sdists[name].write_bytes(name.encode())

    def resolve(self, wanted: Resolution) -> list[Mapping[str, Any]]:
        self.asked.append(wanted)
        known = {metadata.name: metadata.requires_dist for metadata in wanted.metadata}
        found: dict[str, Mapping[str, Any]] = {}
        queue = [text.partition("=")[0] for text in wanted.requirements]
        while queue:
            name = queue.pop(0)
            if name in found:
                continue
            if name in self.wheels:
                file, kind = self.wheels[name], "wheels"
                queue += metadata_of(file).requires_dist
            elif not wanted.sdists:
                raise BuildRefusedError([name])
            elif name not in self.sdists:
                raise UsageError("unsatisfiable", f"There is no {name}.")
            elif name not in known and not wanted.no_deps:
                raise MetadataUnknownError(name, "1.0")
            else:
                file, kind = self.sdists[name], "sdist"
                queue += known.get(name, ())
            raw = {"path": str(file), "name": file.name, "hashes": {"sha256": sha256(file)}}
            found[name] = {"name": name, "version": "1.0", kind: [raw] if kind == "wheels" else raw}
        return list(found.values())


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Workshop:
    """Pretends to build: what wheels require, and what their builds require, is said beforehand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requires: dict[str, tuple[str, ...]] = {}
        self.needs: dict[str, tuple[str, ...]] = {}
        self.tag = "py3-none-any"
        self.flavour = b""
        self.built: list[str] = []
        self._count = itertools.count()

    def build(self, sdist: Path, *, name: str, version: str, requires: Requires, **_: Any) -> BuiltWheel:
        self.built.append(name)
        exact, _paths = requires(self.needs.get(name, ()))
        folder = self.folder / str(next(self._count))
        folder.mkdir(parents=True)
        files = {f"{name}.py": self.flavour}
        wheel = make_wheel(folder, name, version, files, tag=self.tag, requires=self.requires.get(name, ()))
        source = Sdist(name=sdist.name, size=sdist.stat().st_size, sha256=sha256(sdist))
        return BuiltWheel(
            path=wheel,
            name=wheel.name,
            sha256=sha256(wheel),
            size=wheel.stat().st_size,
            build=Build(sdist=source, requires=tuple(exact)),
        )


@pytest.fixture
def index(tmp_path: Path) -> Index:
    """An index of files."""
    (tmp_path / "index").mkdir()
    return Index(tmp_path / "index")


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """Stands in for the build root."""
    made = Workshop(tmp_path / "workshop")
    for place in (module, rebuild):
        monkeypatch.setattr(place, "build_wheel", made.build)
        monkeypatch.setattr(place, "unpacked_root", lambda *_, **__: tmp_path)
    return made


@pytest.fixture
def builds(tmp_path: Path, index: Index) -> Callable[..., Builds]:
    """Makes `Builds` over that index."""
    unused: Any = None
    edges = Edges(
        resolver=index,
        downloads=unused,
        artifacts=Cache(tmp_path / "cache"),
        archives=unused,
        registry=unused,
        steps=unused,
        solver=lambda: None,
        sandbox=unused,
        compiler=unused,
        progress=NoProgress(),
        now=datetime.datetime.now(datetime.UTC),
    )

    def make(**more: Any) -> Builds:
        settings: dict[str, Any] = {"base": lambda _: BASE, "previous": None, "folder": tmp_path, "edges": edges}
        return Builds(**(settings | more))

    return make


def names(rows: Sequence[Any]) -> list[str]:
    return [f"{row.package} {row.kind}" for row in rows]


def lock_of(builds: Builds, rows: Sequence[Any]) -> Lock:
    """Return a lock that has the built wheels."""
    made = [(row, builds.built(row, AMD64)) for row in rows if row.kind == "sdist"]
    return Lock(
        env="x",
        python="3.9",
        platforms=(AMD64,),
        packages=tuple(
            Package(name=row.package, version=row.version, wheels=(built.wheel,), build=built.build)
            for row, built in made
        ),
        frameworks=(),
        as_of=None,
        base=BASE,
    )


def test_wheels_alone_are_asked_for_once(index: Index, workshop: Workshop, builds: Callable[..., Builds]) -> None:
    """Nothing is built, and the base is not resolved for it."""
    index.wheel("top", "leaf")
    index.wheel("leaf")

    def base(_: Sequence[str]) -> Base:
        raise AssertionError("nobody builds")

    assert names(builds(base=base).resolve(WANTED)) == ["leaf wheel", "top wheel"]
    assert (len(index.asked), workshop.built) == (1, [])


def test_an_sdist_that_requires_nothing(index: Index, workshop: Workshop, builds: Callable[..., Builds]) -> None:
    """The assumption was right, so nothing is asked again: once to learn of it, once with the assumption."""
    index.sdist("top")
    made = builds()
    rows = made.resolve(WANTED)
    assert names(rows) == ["top sdist"]
    assert [wanted.metadata for wanted in index.asked] == [(), (Metadata(name="top", version="1.0"),)]
    assert made.built(rows[0], AMD64).wheel.name == "top-1.0-py3-none-any.whl"
    assert workshop.built == ["top"]


def test_what_built_wheels_require_is_resolved(index: Index, workshop: Workshop, builds: Callable[..., Builds]) -> None:
    """To the end, through sdists that only turn up on the way; each is built once."""
    for name in ("top", "middle", "bottom"):
        index.sdist(name)
    index.wheel("leaf")
    workshop.requires = {"top": ("middle",), "middle": ("bottom", "leaf")}
    rows = builds().resolve(WANTED)
    assert names(rows) == ["bottom sdist", "leaf wheel", "middle sdist", "top sdist"]
    assert workshop.built == ["top", "middle", "bottom"]
    assert [(m.name, m.requires_dist) for m in index.asked[-1].metadata] == [
        ("bottom", ()),
        ("middle", ("bottom", "leaf")),
        ("top", ("middle",)),
    ]


def test_assuming_builds_nothing(index: Index, workshop: Workshop, builds: Callable[..., Builds]) -> None:
    """Enough to explain an error by."""
    index.sdist("top")
    workshop.requires = {"top": ("middle",)}
    assert names(builds().assume(WANTED)) == ["top sdist"]
    assert workshop.built == []


def test_refused(index: Index, workshop: Workshop, builds: Callable[..., Builds]) -> None:
    """Where nothing may be built, or there is no base, the error names the package."""
    index.sdist("top")
    for made in (builds(allowed=False), builds(base=lambda _: None)):
        with pytest.raises(BuildRefusedError, match="build-refused") as caught:
            made.resolve(WANTED)
        assert caught.value.what.startswith("top: no fitting wheel")
    assert workshop.built == []


def test_a_build_requirement_without_a_wheel_is_built(
    index: Index, workshop: Workshop, builds: Callable[..., Builds]
) -> None:
    """Its own build is recorded, so that it can be made again elsewhere."""
    index.sdist("top")
    index.sdist("tool")
    index.wheel("setuptools")
    workshop.needs = {"top": ("tool",), "tool": ("setuptools",)}
    made = builds()
    [row] = made.resolve(WANTED)
    [tool] = made.built(row, AMD64).build.requires
    assert (tool.name, tool.file) == ("tool", "tool-1.0-py3-none-any.whl")
    assert tool.build is not None
    assert [each.name for each in tool.build.requires] == ["setuptools"]


def test_what_is_needed_to_build_itself(index: Index, workshop: Workshop, builds: Callable[..., Builds]) -> None:
    """A circle of builds is said, not walked."""
    index.sdist("top")
    index.sdist("tool")
    workshop.needs = {"top": ("tool",), "tool": ("top",)}
    with pytest.raises(UsageError, match="build-cycle") as caught:
        builds().resolve(WANTED)
    assert caught.value.found == "top 1.0 → tool 1.0 → top 1.0"


def test_the_old_locks_wheel_is_kept(index: Index, workshop: Workshop, builds: Callable[..., Builds]) -> None:
    """As long as the sdist and the build root are the same; what it requires is known from the start."""
    index.sdist("top")
    index.sdist("middle")
    workshop.requires = {"top": ("middle",)}
    first = builds()
    rows = first.resolve(WANTED)
    lock = lock_of(first, rows)
    workshop.built.clear()
    index.asked.clear()
    again = builds(previous=lock)
    assert again.resolve(WANTED) == rows
    assert again.built(rows[0], AMD64) == first.built(rows[0], AMD64)
    assert (workshop.built, len(index.asked)) == ([], 1)
    other = msgspec.structs.replace(BASE, build_packages=(deb("gcc"), deb("make")))
    builds(previous=lock, base=lambda _: other).resolve(WANTED)
    assert workshop.built == ["middle", "top"]


def test_rebuild_compares(index: Index, workshop: Workshop, builds: Callable[..., Builds]) -> None:
    """The same bytes are silent, others are exit 4."""
    index.sdist("top")
    first = builds()
    lock = lock_of(first, first.resolve(WANTED))
    workshop.built.clear()
    builds(previous=lock, rebuild=True).resolve(WANTED)
    assert workshop.built == ["top"]
    workshop.flavour = b"other = 1\n"
    with pytest.raises(IntegrityError, match="rebuild-mismatch"):
        builds(previous=lock, rebuild=True).resolve(WANTED)


def test_a_pure_wheel_serves_every_platform(index: Index, workshop: Workshop, builds: Callable[..., Builds]) -> None:
    """One with an extension is built for each."""
    index.sdist("top")
    for tag, times in (("py3-none-any", 1), ("cp39-cp39-linux_x86_64", 2)):
        workshop.tag = tag
        workshop.built.clear()
        made = builds()
        for platform in (AMD64, ARM64):
            made.resolve(msgspec.structs.replace(WANTED, platform=platform))
        assert workshop.built == ["top"] * times


def test_a_locked_build_environment_is_built_again(
    tmp_path: Path, index: Index, workshop: Workshop, builds: Callable[..., Builds]
) -> None:
    """Where a wheel of it is not to be had from an index, because it was built too."""
    index.sdist("top")
    index.sdist("tool")
    workshop.needs = {"top": ("tool",)}
    first = builds()
    lock = lock_of(first, first.resolve(WANTED))
    [package] = lock.packages
    [tool] = package.build.requires if package.build else ()
    (tmp_path / "cache" / "files" / tool.sha256 / tool.file).unlink()
    workshop.built.clear()
    wheel = package.wheels[0]
    again = rebuild.build_again(
        Requirement(
            name="top",
            version="1.0",
            file=wheel.name,
            size=wheel.size,
            sha256=wheel.sha256,
            build=package.build,
        ),
        lock=lock,
        platform=AMD64,
        edges=first._edges,
    )
    assert sha256(again) == wheel.sha256
    assert workshop.built == ["tool", "top"]
