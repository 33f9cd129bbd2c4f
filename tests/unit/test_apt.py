"""Both solvers, apt in a throwaway root and the built-in closure, answer the same."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from envlock.adapters.apt import Apt, apt_here
from envlock.errors import UsageError
from envlock.locking.apt import choose
from envlock.locking.dpkg_status import read_status
from envlock.locking.packages import PackageIndex
from envlock.model.edges import Solver
from tests.unit.debs import Pool


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return Pool(tmp_path)


@pytest.fixture(params=["closure", "apt"])
def solver(request: pytest.FixtureRequest) -> Solver | None:
    if request.param == "closure":
        return None
    found = apt_here()
    if found is None:
        pytest.skip("there is no apt 2.0 here")
    return found


def chosen(
    pool: Pool, solver: Solver | None, *wanted: str, exclude: Sequence[str] = (), status: bytes = b""
) -> list[str]:
    index = PackageIndex(("debian", stanza) for stanza in pool.stanzas("debian", "amd64").split(b"\n\n") if stanza)
    inside = read_status([status], "test")
    found = choose(index, wanted, architecture="amd64", solver=solver, exclude=exclude, inside=inside, where="test")
    return [f"{each.name}={each.version}" for each in found]


def test_what_is_wanted_comes_with_its_dependencies(pool: Pool, solver: Solver | None) -> None:
    """Pre-Depends and Depends, first alternatives, packages of every architecture; no Recommends."""
    pool.add("a", Depends="b | c, d (>= 1)", Pre_Depends="e", Recommends="unasked")
    for name in ("b", "c", "e", "unasked"):
        pool.add(name)
    pool.add("d", architecture="all")
    assert chosen(pool, solver, "a") == ["a=1.0-1", "b=1.0-1", "d=1.0-1", "e=1.0-1"]


def test_among_providers_the_priority_decides(pool: Pool, solver: Solver | None) -> None:
    """mawk is in every Debian, gawk is not."""
    pool.add("a", Depends="awk")
    pool.add("gawk", Provides="awk", Priority="optional")
    pool.add("mawk", Provides="awk", Priority="required")
    assert chosen(pool, solver, "a") == ["a=1.0-1", "mawk=1.0-1"]


def test_an_excluded_package_counts_as_there(pool: Pool, solver: Solver | None) -> None:
    """Versioned dependencies on it hold, and what it provides is there, whether the suites have it or not."""
    pool.add("a", Depends="debconf (>= 0.5) | debconf-2.0, dpkg (>= 1.17)")
    pool.add("b", Depends="debconf-2.0 | debconf")
    pool.add("debconf", "1.5", Depends="perl", Provides="debconf-2.0")
    pool.add("perl")
    assert chosen(pool, solver, "a", "b", exclude=("debconf", "dpkg")) == ["a=1.0-1", "b=1.0-1"]


STATUS = b"""\
Package: libc
Status: install ok installed
Version: 1.0-1
Architecture: amd64

Package: gcc-base
Status: install ok installed
Version: 1.0-1
Architecture: amd64

Package: libgcc
Status: install ok installed
Version: 1.0-1
Architecture: amd64
Depends: gcc-base (= 1.0-1)

Package: gone
Status: deinstall ok config-files
Version: 1.0-1
Architecture: amd64
"""


def test_only_what_a_base_lacks_is_chosen(pool: Pool, solver: Solver | None) -> None:
    """Removed packages are not there; what is there already is not brought again, newer or not."""
    pool.add("a", Depends="libc, gone")
    pool.add("libc", "2.0-1")
    pool.add("gone")
    assert chosen(pool, solver, "a", "libc", status=STATUS) == ["a=1.0-1", "gone=1.0-1"]
    assert chosen(pool, solver, "libc", status=STATUS) == []


def test_a_base_that_is_behind_is_brought_forward_where_it_must_be(pool: Pool, solver: Solver | None) -> None:
    """A package there in a version too old is chosen anew, and so is what needs the version that it had."""
    pool.add("gomp", "2.0-1", Depends="gcc-base (= 2.0-1), libc (>= 1.0)")
    pool.add("gcc-base", "2.0-1")
    pool.add("libgcc", "2.0-1", Depends="gcc-base (= 2.0-1)")
    pool.add("libc", "2.0-1")
    assert chosen(pool, solver, "gomp", status=STATUS) == ["gcc-base=2.0-1", "gomp=2.0-1", "libgcc=2.0-1"]


def test_what_cannot_be_installed_is_said(pool: Pool, solver: Solver | None) -> None:
    """Names of packages, and no path of this machine."""
    pool.add("a", Depends="b (>= 2)")
    pool.add("b")
    with pytest.raises(UsageError, match="unsatisfiable-package") as caught:
        chosen(pool, solver, "a")
    assert "b" in caught.value.found
    assert "/" not in caught.value.found
    with pytest.raises(UsageError, match="unknown-package"):
        chosen(pool, solver, "nothing")


def test_a_removal_is_no_way_to_install(pool: Pool) -> None:
    """apt may not take a package of the base away."""
    found = apt_here()
    if found is None:
        pytest.skip("there is no apt 2.0 here")
    pool.add("a", Conflicts="libc")
    with pytest.raises(UsageError, match="unsatisfiable-package"):
        chosen(pool, found, "a", status=STATUS)


def test_nothing_of_this_machine_reaches_apt(pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a setting of the environment, and the folder that it worked in is gone afterwards."""
    found = apt_here()
    if found is None:
        pytest.skip("there is no apt 2.0 here")
    monkeypatch.setenv("APT_CONFIG", "/nonexistent")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    work = tmp_path / "with space"
    work.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(work))
    pool.add("g++", Depends="b")
    pool.add("b")
    assert chosen(pool, found, "g++") == ["b=1.0-1", "g++=1.0-1"]
    assert list(work.iterdir()) == []


def test_an_invented_choice_is_refused(pool: Pool) -> None:
    """What the verified index does not offer in that version never reaches a lock."""

    class Liar:
        def solve(self, wanted: Sequence[str], **_: object) -> list[tuple[str, str]]:
            return [("a", "6.6.6")]

    pool.add("a")
    with pytest.raises(UsageError, match="solver-failed") as caught:
        chosen(pool, Liar(), "a")
    assert (caught.value.expected, caught.value.found) == ("a 1.0-1", "a 6.6.6")


@pytest.mark.parametrize(("says", "found"), [("apt 1.8.2 (amd64)", False), ("apt 3.0.3 (arm64)", True), ("", False)])
def test_an_apt_that_is_too_old_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, found: bool
) -> None:
    """The closure solves there."""
    program = tmp_path / "apt-get"
    program.write_text(f"#!{shutil.which('sh')}\necho '{says}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert isinstance(apt_here(), Apt) is found
