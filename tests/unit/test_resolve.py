"""Resolving a recipe from an archive that the test signs itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from envlock.errors import IntegrityError, UsageError
from envlock.locking import release as module
from envlock.locking.base import resolve_base
from envlock.model.artifact import Suite
from envlock.model.edges import NoProgress
from envlock.model.lock import Base
from envlock.model.platform import Platform
from envlock.model.recipe import Recipe, parse_recipe
from tests.unit.debs import NOW, Pool, Signer, member

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
RECIPE = parse_recipe(
    b"""
distribution = "debian-11"
interpreter = "/usr/bin/python3.9"
python = "3.9"
glibc = "2.31"
end-of-life = 2026-08-31
suites = [{ archive = "debian", suite = "bullseye" }, { archive = "debian-security", suite = "bullseye-security" }]
packages = ["python3.9-minimal", "tzdata"]
build-packages = ["gcc"]
""",
    name="sample",
    where="sample.toml",
)


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pool:
    """Two architectures, an update in the security suite, a script that debhelper made."""
    made = Pool(tmp_path)
    for architecture in ("amd64", "arm64"):
        made.add("libc6", "2.31-13", architecture=architecture)
        made.add("libc6", "2.31-13+deb11u2", architecture=architecture, archive="debian-security")
        snippet = "#!/bin/sh\n# Automatically added by dh_makeshlibs/13\nldconfig\n# End automatically added section\n"
        made.add(
            "python3.9-minimal",
            "3.9.2-1+deb11u7",
            [member("./usr/bin/python3.9", architecture)],
            architecture=architecture,
            control={"postinst": snippet},
            Depends="libc6 (>= 2.15)",
        )
        made.add("gcc", "4:10.2.1-1", architecture=architecture, Depends="libc6, cpp")
        made.add("cpp", "4:10.2.1-1", architecture=architecture)
    made.add("tzdata", "2026a-1", architecture="all")
    made.add("libgomp1", "10.2.1-6")
    signer = Signer()
    monkeypatch.setattr(module, "_certificates", lambda _: (signer.cert,))
    publish(made, signer)
    return made


def publish(pool: Pool, signer: Signer) -> None:
    pool.publish("debian", "bullseye", ("amd64", "arm64"), signer)
    pool.publish("debian-security", "bullseye-security", ("amd64", "arm64"), signer)


def resolve(
    pool: Pool, *platforms: Platform, recipe: Recipe = RECIPE, build: bool = False, extra: tuple[str, ...] = ()
) -> Base:
    return resolve_base(
        recipe,
        platforms or (AMD64,),
        pool,
        lambda deb, _: pool.path(deb),
        now=NOW,
        with_build_packages=build,
        extra=extra,
        progress=NoProgress(),
    )


def listing(base: Base) -> list[str]:
    return [f"{deb.name} {deb.version} {deb.architecture} {deb.archive}" for deb in base.packages]


def test_a_recipe_becomes_exact_packages(pool: Pool) -> None:
    """Highest versions, the interpreter's and glibc's upstream versions, the suites that vouch for them."""
    base = resolve(pool)
    assert listing(base) == [
        "libc6 2.31-13+deb11u2 amd64 debian-security",
        "python3.9-minimal 3.9.2-1+deb11u7 amd64 debian",
        "tzdata 2026a-1 all debian",
    ]
    assert (base.python, base.glibc, base.solver) == ("3.9.2", "2.31", "closure")
    assert [(suite.archive, suite.suite) for suite in base.suites] == [
        ("debian", "bullseye"),
        ("debian-security", "bullseye-security"),
    ]
    assert base.effects == ("usr-merge", "nsswitch", "ld-so-cache", "dpkg-status")
    assert base.build_packages == ()
    assert resolve(pool) == base


def test_several_platforms_are_one_base(pool: Pool) -> None:
    """Sorted by name, then architecture; each platform finds its own."""
    base = resolve(pool, AMD64, ARM64)
    assert [each.rpartition(" ")[0] for each in listing(base)] == [
        "libc6 2.31-13+deb11u2 amd64",
        "libc6 2.31-13+deb11u2 arm64",
        "python3.9-minimal 3.9.2-1+deb11u7 amd64",
        "python3.9-minimal 3.9.2-1+deb11u7 arm64",
        "tzdata 2026a-1 all",
    ]
    assert [deb.architecture for deb in base.of(ARM64)] == ["arm64", "arm64", "all"]


def test_build_packages_are_what_lies_beyond(pool: Pool) -> None:
    """The build root adds them to the base."""
    base = resolve(pool, build=True)
    assert [deb.name for deb in base.build_packages] == ["cpp", "gcc"]
    assert base.packages == resolve(pool).packages


def test_os_packages_of_the_manifest_come_along(pool: Pool) -> None:
    """Resolved together with the recipe's own."""
    assert "libgomp1 10.2.1-6 amd64 debian" in listing(resolve(pool, extra=("libgomp1",)))
    with pytest.raises(UsageError, match="unknown-package"):
        resolve(pool, extra=("libgomp",))


def test_an_index_with_other_bytes_is_refused(pool: Pool) -> None:
    """Even where the release file is signed well."""
    path = next(path for path in pool.files if "by-hash" in path[1])
    pool.files[path] = pool.files[path][:-4]
    with pytest.raises(IntegrityError, match="index-mismatch"):
        resolve(pool)


def test_a_release_of_a_stranger_is_refused(pool: Pool) -> None:
    """Nothing is read of it."""
    publish(pool, Signer())
    with pytest.raises(IntegrityError, match="bad-signature"):
        resolve(pool)


def test_an_unread_script_stops_the_lock(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of any package that would be unpacked, build packages included."""
    signer = Signer()
    monkeypatch.setattr(module, "_certificates", lambda _: (signer.cert,))
    pool.add("cpp", "5:1", control={"postinst": "#!/bin/sh\nreboot\n"})
    publish(pool, signer)
    assert resolve(pool)
    with pytest.raises(UsageError, match="unknown-script"):
        resolve(pool, build=True)


def test_a_recipe_that_promises_another_python_is_refused(pool: Pool) -> None:
    """What it says and what its packages bring must agree."""
    with pytest.raises(UsageError, match="bad-recipe") as caught:
        resolve(pool, recipe=msgspec.structs.replace(RECIPE, glibc="2.36"))
    assert (caught.value.expected, caught.value.found) == ("2.36", "2.31")


def test_platforms_that_disagree_on_a_common_package_are_said(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive in the middle of an update gives no lock."""
    signer = Signer()
    monkeypatch.setattr(module, "_certificates", lambda _: (signer.cert,))
    stanzas = pool.stanzas
    monkeypatch.setattr(
        pool,
        "stanzas",
        lambda archive, architecture: stanzas(archive, architecture).replace(
            b"Version: 2026a-1", b"Version: 2026b-1" if architecture == "arm64" else b"Version: 2026a-1"
        ),
    )
    publish(pool, signer)
    with pytest.raises(UsageError, match="platforms-disagree") as caught:
        resolve(pool, AMD64, ARM64)
    assert (caught.value.expected, caught.value.found) == ("2026a-1", "2026b-1")


def test_a_suite_older_than_the_locked_one_is_refused(pool: Pool) -> None:
    """A mirror that is behind must not take security fixes away."""
    suites = resolve(pool).suites

    def again(previous: Sequence[Suite]) -> Base:
        return resolve_base(
            RECIPE,
            (AMD64,),
            pool,
            lambda deb, _: pool.path(deb),
            now=NOW,
            with_build_packages=False,
            previous=previous,
            progress=NoProgress(),
        )

    assert again(suites).suites == suites
    with pytest.raises(UsageError, match="older-release") as caught:
        again([msgspec.structs.replace(suite, date="2026-01-01T10:00:01Z") for suite in suites])
    assert (caught.value.where, caught.value.found) == ("debian bullseye", "2026-01-01T10:00:00Z")
