"""The built-in solver."""

from __future__ import annotations

from pathlib import Path

import pytest

from envlock.errors import UsageError
from envlock.locking.closure import close
from envlock.locking.packages import PackageIndex
from tests.unit.debs import Pool


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return Pool(tmp_path)


def index(pool: Pool) -> PackageIndex:
    return PackageIndex(
        (archive, stanza)
        for archive in ("debian", "debian-security")
        for stanza in pool.stanzas(archive, "amd64").split(b"\n\n")
        if stanza
    )


def names(pool: Pool, *wanted: str, exclude: tuple[str, ...] = ()) -> list[str]:
    return [f"{each.deb.name}={each.deb.version}" for each in close(index(pool), wanted, exclude=exclude)]


def test_dependencies_of_dependencies_come_along(pool: Pool) -> None:
    """Depends and Pre-Depends, cycles included, sorted by name."""
    pool.add("a", Depends="c", Pre_Depends="b")
    pool.add("b")
    pool.add("c", Depends="a, d (>= 1)")
    pool.add("d")
    pool.add("unasked")
    assert names(pool, "a") == ["a=1.0-1", "b=1.0-1", "c=1.0-1", "d=1.0-1"]


def test_the_highest_version_over_the_suites_is_taken(pool: Pool) -> None:
    """An update of the security archive wins."""
    pool.add("a", "1.0-1+deb11u2")
    pool.add("a", "1.0-1+deb11u10", archive="debian-security")
    assert names(pool, "a") == ["a=1.0-1+deb11u10"]


def test_the_first_alternative_that_there_is_is_taken(pool: Pool) -> None:
    """One that does not exist, or not in the version asked for, is passed over."""
    pool.add("a", Depends="gone | b (>= 2) | c | d")
    pool.add("b")
    pool.add("c")
    pool.add("d")
    assert names(pool, "a") == ["a=1.0-1", "c=1.0-1"]


def test_what_is_in_already_decides_between_alternatives(pool: Pool) -> None:
    """Packages wanted by name come first."""
    pool.add("a", Depends="b | c")
    pool.add("b")
    pool.add("c")
    assert names(pool, "a", "c") == ["a=1.0-1", "c=1.0-1"]


def test_a_virtual_package_is_satisfied_by_a_provider(pool: Pool) -> None:
    """The first by name; with a version only where the provider gives one (policy 7.5)."""
    pool.add("a", Depends="awk, libx (>= 2)")
    pool.add("mawk", Provides="awk")
    pool.add("gawk", Provides="awk")
    pool.add("libx1", Provides="libx")
    pool.add("libx2", Provides="libx (= 2.1)")
    assert names(pool, "a") == ["a=1.0-1", "gawk=1.0-1", "libx2=1.0-1"]
    assert names(pool, "a", "mawk") == ["a=1.0-1", "libx2=1.0-1", "mawk=1.0-1"]


def test_an_excluded_package_counts_as_there(pool: Pool) -> None:
    """Neither it nor another alternative comes in."""
    pool.add("a", Depends="debconf (>= 0.5) | debconf-2.0")
    pool.add("debconf", Depends="perl")
    pool.add("cdebconf", Provides="debconf-2.0")
    pool.add("perl")
    assert names(pool, "a", exclude=("debconf",)) == ["a=1.0-1"]


def test_only_what_is_beyond_is_returned(pool: Pool) -> None:
    """A build root lists what the base does not have."""
    pool.add("base", Depends="libc")
    pool.add("libc")
    pool.add("gcc", Depends="libc, cpp")
    pool.add("cpp")
    there = index(pool)
    inside = close(there, ["base"])
    assert [each.deb.name for each in close(there, ["gcc"], inside=inside)] == ["cpp", "gcc"]


def test_an_unknown_name_is_said_with_its_providers(pool: Pool) -> None:
    """A virtual package has to be named by a real one."""
    pool.add("mawk", Provides="awk")
    with pytest.raises(UsageError, match="unknown-package") as caught:
        close(index(pool), ["awk"], where="recipe x")
    assert caught.value.expected == "one of mawk, which provide it"
    assert caught.value.where == "recipe x"


def test_what_cannot_be_satisfied_is_said(pool: Pool) -> None:
    """The relation, the package that asks for it, and what there is instead."""
    pool.add("a", Depends="b (>= 2) | c")
    pool.add("b")
    with pytest.raises(UsageError, match=r"dependency of a 1.0-1") as caught:
        close(index(pool), ["a"])
    assert (caught.value.expected, caught.value.found) == ("b (>= 2) | c", "b 1.0-1")
