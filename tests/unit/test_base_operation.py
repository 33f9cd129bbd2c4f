"""The base of an environment: kept as locked, looked up again when asked, and what goes on top of an image."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from envlock.adapters.cache import Cache
from envlock.errors import UsageError
from envlock.locking import release as module
from envlock.model.edges import Solver
from envlock.model.lock import Base, Lock
from envlock.model.manifest import Manifest
from envlock.model.manifest_parser import parse_manifest
from envlock.model.platform import Platform
from envlock.operations.base import base_for, foundation_for
from envlock.operations.inputs import inputs_of
from tests.unit.base_images import Images, debian
from tests.unit.debs import NOW, Pool, Signer, member
from tests.unit.edges import edges_with

RECIPE = """
distribution = "debian-12"
interpreter = "/usr/bin/python3.11"
python = "3.11"
glibc = "2.36"
end-of-life = 2028-06-30
suites = [{ archive = "debian", suite = "bookworm" }]
packages = ["python3.11-minimal"]
build-packages = ["gcc"]
exclude = ["debconf"]
"""
REFERENCE = "registry.example.com/python:3.11"


class World:
    """A project, a registry and an archive."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        (folder / "images").mkdir()
        (folder / "images/a-sample.toml").write_text(RECIPE)
        self.pool, self.images, self.signer = Pool(folder), Images(), Signer()
        monkeypatch.setattr(module, "_certificates", lambda _: (self.signer.cert,))
        pool = self.pool
        pool.add("libc6", "2.36-9")
        pool.add("python3.11-minimal", "3.11.2-6", [member("./usr/bin/python3.11")], Depends="libc6")
        pool.add("gcc", Depends="libc6")
        pool.add("libgomp1", Depends="libc6 (>= 2.34), debconf")
        self.publish()
        self.images.tag(REFERENCE, self.images.image(debian()))
        self.solver: Solver | None = None
        self.kept: Lock | None = None
        self.edges = edges_with(
            archives=pool,
            artifacts=Cache(folder / "cache"),
            registry=lambda: self.images,
            solver=lambda: self.solver,
            now=NOW,
        )

    def publish(self) -> None:
        """Sign the archive as it is."""
        self.pool.publish("debian", "bookworm", ("amd64",), self.signer)

    def manifest(
        self,
        base: str,
        os_packages: Sequence[str],
        python: str = "3.11",
        more: str = "",
        platforms: str = '"linux/amd64"',
    ) -> Manifest:
        """Return a manifest of one environment."""
        text = f"""
[env.e]
python = "{python}"
platforms = [{platforms}]
dependencies = ["click"]
[env.e.image]
base = "{base}"
os-packages = {list(os_packages)!r}
{more}
"""
        return parse_manifest(self.folder / "envlock.toml", tomllib.loads(text))

    def lock(
        self,
        base: str = REFERENCE,
        *os_packages: str,
        sdists: Sequence[str] = (),
        renew_base: bool = False,
        renew_os: bool = False,
        **manifest: str,
    ) -> Base:
        """Lock the base, and keep it for the next time."""
        parsed = self.manifest(base, os_packages, **manifest)
        environment = parsed.environment("e")
        inputs = inputs_of(parsed, environment)
        foundation = foundation_for(
            parsed, environment, self.kept, inputs, self.edges, renew_base=renew_base, renew_os=renew_os
        )
        found = base_for(parsed, environment, foundation, self.kept, sdists, self.edges, renew=renew_base or renew_os)
        assert found is not None
        assert foundation is not None
        assert foundation.glibc == found.glibc
        self.kept = Lock(
            env="e",
            python="3.11",
            platforms=(Platform("linux", "amd64"),),
            packages=(),
            frameworks=(),
            as_of=None,
            inputs=inputs,
            base=found,
        )
        return found


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


class FakeApt:
    """Chooses what it is told to."""

    def __init__(self, *chosen: tuple[str, str]) -> None:
        self.chosen = list(chosen)
        self.installed: list[bytes] = []

    def solve(self, wanted: Sequence[str], *, installed: Iterable[bytes], **_: Any) -> list[tuple[str, str]]:
        """Note what is installed."""
        self.installed = list(installed)
        return self.chosen


def names(base: Base) -> list[str]:
    return [deb.name for deb in base.packages]


def test_an_image_is_locked_by_digest_with_its_facts(world: World) -> None:
    """Nothing of Debian's archives is read where no package is asked for."""
    base = world.lock()
    assert (base.recipe, base.python, base.glibc) == (None, "3.11.7", "2.36")
    assert base.image is not None
    assert base.image.manifests[0].digest == world.images.tags[REFERENCE]
    assert (base.packages, base.suites, base.effects, base.solver) == ((), (), (), "closure")


def test_a_locked_image_is_not_asked_for_again(world: World) -> None:
    """Whatever its tag means by now; keys of the image's table that name no package move nothing either."""
    before = world.lock()
    world.images.tag(REFERENCE, world.images.image(debian("3.11.8")))
    world.images.asked.clear()
    assert world.lock() == before
    assert world.lock(more="bytecode = false") == before
    assert world.images.asked == []


def test_a_base_is_looked_up_again_when_asked(world: World) -> None:
    """One HEAD where the tag did not move."""
    before = world.lock()
    world.images.asked.clear()
    assert world.lock(renew_base=True) == before
    assert world.images.asked == [f"HEAD {REFERENCE}"]
    world.images.tag(REFERENCE, world.images.image(debian("3.11.8")))
    assert world.lock(renew_base=True).python == "3.11.8"


def test_packages_are_added_to_the_very_image_that_is_locked(world: World) -> None:
    """Only what it lacks; what its recipe excludes counts as there."""
    before = world.lock()
    world.images.tag(REFERENCE, world.images.image(debian("3.11.8")))
    base = world.lock(REFERENCE, "libgomp1")
    assert base.image == before.image
    assert names(base) == ["libgomp1"]
    assert base.effects == ("usr-merge", "ld-so-cache", "dpkg-status")
    assert [suite.suite for suite in base.suites] == ["bookworm"]


def test_packages_stay_until_they_are_asked_for_anew(world: World) -> None:
    """On the same image."""
    before = world.lock(REFERENCE, "libgomp1")
    world.pool.add("libgomp1", "2.0-1", Depends="libc6")
    world.publish()
    assert world.lock(REFERENCE, "libgomp1") == before
    after = world.lock(REFERENCE, "libgomp1", renew_os=True)
    assert after.image == before.image
    assert [deb.version for deb in after.packages] == ["2.0-1"]


def test_source_distributions_are_built_in_a_recipe_like_the_base(world: World) -> None:
    """Of the same distribution and Python; it comes and goes with them."""
    plain = world.lock()
    base = world.lock(sdists=["wrapt"])
    assert base.build_root is not None
    assert base.build_root.recipe == "a-sample"
    assert [deb.name for deb in base.build_packages] == ["gcc", "libc6", "python3.11-minimal"]
    builder = base.builder
    assert (builder.interpreter, builder.image) == ("/usr/bin/python3.11", None)
    assert [deb.name for deb in builder.of(Platform("linux", "amd64"))] == ["gcc", "libc6", "python3.11-minimal"]
    assert world.lock() == plain
    with_both = world.lock(REFERENCE, "libgomp1", sdists=["wrapt"])
    assert names(with_both) == ["libgomp1"]
    after = world.lock(REFERENCE, "libgomp1")
    world.kept = None
    assert world.lock(REFERENCE, "libgomp1") == after


def test_a_distribution_that_no_recipe_knows_takes_no_packages(world: World) -> None:
    """And has no build root; as it is it can be a base."""
    layers = debian()
    other = [entry for entry in layers[0] if entry[0].name != "usr/lib/os-release"]
    other.append(member("usr/lib/os-release", "ID=fedora\nVERSION_ID=41\n"))
    world.images.tag(REFERENCE, world.images.image([other, layers[1]]))
    assert world.lock().distribution == "fedora-41"
    with pytest.raises(UsageError, match="no-suites"):
        world.lock(REFERENCE, "libgomp1")
    with pytest.raises(UsageError, match="no-build-root"):
        world.lock(sdists=["wrapt"])


UBUNTU = [("ubuntu", "amd64"), ("ubuntu-ports", "arm64")]


@pytest.fixture
def jammy(world: World) -> World:
    """An Ubuntu 22.04 in the registry, and its archives."""
    layers = debian()
    other = [entry for entry in layers[0] if entry[0].name != "usr/lib/os-release"]
    other.append(member("usr/lib/os-release", 'ID=ubuntu\nVERSION_ID="22.04"\n'))
    images = {f"linux/{arch}": world.images.image([other, layers[1]], architecture=arch) for _, arch in UBUNTU}
    world.images.tag(REFERENCE, world.images.index(images))
    for archive, arch in UBUNTU:
        world.pool.add("libgomp1", "12.1", architecture=arch, archive=archive, Depends="libc6, gcc-12-base")
        world.pool.add("gcc-12-base", "12.1", architecture="all", archive=archive)
        for suite in ("jammy", "jammy-updates", "jammy-security"):
            world.pool.publish(archive, suite, (arch,), world.signer, components=("main", "universe"))
    return world


def test_packages_of_ubuntu_come_from_its_own_suites(jammy: World) -> None:
    """No recipe is of it: a table knows them, and only the archive of a platform at hand is asked."""
    for archive, path in [*jammy.pool.files]:
        if archive == "ubuntu-ports":
            del jammy.pool.files[archive, path]
    base = jammy.lock(REFERENCE, "libgomp1")
    assert base.distribution == "ubuntu-22.04"
    assert names(base) == ["gcc-12-base", "libgomp1"]
    assert {deb.archive for deb in base.packages} == {"ubuntu"}
    assert [(suite.archive, suite.suite) for suite in base.suites] == [
        ("ubuntu", "jammy"),
        ("ubuntu", "jammy-updates"),
        ("ubuntu", "jammy-security"),
    ]


def test_packages_of_other_architectures_come_from_ubuntus_ports(jammy: World) -> None:
    """What is of all architectures is the same file in both archives, and listed once."""
    base = jammy.lock(REFERENCE, "libgomp1", platforms='"linux/amd64", "linux/arm64"')
    found = {(deb.name, deb.architecture): deb.archive for deb in base.packages}
    assert found == {
        ("gcc-12-base", "all"): "ubuntu",
        ("libgomp1", "amd64"): "ubuntu",
        ("libgomp1", "arm64"): "ubuntu-ports",
    }
    assert len(base.suites) == 6


def test_an_image_without_a_list_of_packages_takes_none(world: World) -> None:
    """Nobody could say what it lacks."""
    layers = debian()
    bare = [entry for entry in layers[0] if "dpkg" not in entry[0].name]
    world.images.tag(REFERENCE, world.images.image([bare, layers[1]]))
    with pytest.raises(UsageError, match="no-dpkg"):
        world.lock(REFERENCE, "libgomp1")


def test_the_solver_of_the_lock_solves_again(world: World) -> None:
    """A machine with apt does not change a lock made without, until all is resolved anew."""
    assert world.lock(REFERENCE, "libgomp1").solver == "closure"
    world.solver = FakeApt(("gcc", "1.0-1"))
    assert world.lock(REFERENCE, "gcc").solver == "closure"
    assert world.lock(REFERENCE, "gcc", renew_os=True).solver == "apt"
    assert b"libc6" in world.solver.installed[0]
    world.solver = None
    assert world.lock(REFERENCE, "gcc").solver == "apt"
    with pytest.raises(UsageError, match="no-apt") as caught:
        world.lock(REFERENCE, "libgomp1")
    assert "--os" in caught.value.hint
    assert world.lock(REFERENCE, "libgomp1", renew_os=True).solver == "closure"


def test_a_recipe_is_resolved_as_before(world: World) -> None:
    """And kept until something of it changes."""
    base = world.lock("a-sample")
    assert (base.recipe, base.image) == ("a-sample", None)
    assert names(base) == ["libc6", "python3.11-minimal"]
    world.pool.add("libc6", "2.36-10")
    world.publish()
    assert world.lock("a-sample", more="bytecode = false") == base
    assert next(iter(world.lock("a-sample", renew_os=True).packages)).version == "2.36-10"
    with pytest.raises(UsageError, match="python-mismatch") as caught:
        world.lock("a-sample", python="3.12")
    assert "/" not in caught.value.where
