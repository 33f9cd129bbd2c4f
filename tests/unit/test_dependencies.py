"""Dependencies in a lock: read off METADATA, by platform and extra, and written as PEP 751 has them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace
from packaging.pylock import Pylock

from envlock.errors import UsageError
from envlock.formats.pylock import parse_lock, write_lock
from envlock.locking.dependencies import (
    kept_dependencies,
    requirements_asked_for,
    told_as_before,
    with_dependencies,
)
from envlock.locking.digests import wheel_digests, wheel_requires
from envlock.locking.opening import Opening
from envlock.locking.select import Selected
from envlock.model.artifact import Wheel
from envlock.model.edges import NoProgress
from envlock.model.lock import Lock, Package
from envlock.model.platform import Platform
from tests.unit.wheels import make_wheel

LINUX, WINDOWS = Platform.parse("linux/amd64"), Platform.parse("windows/amd64")
REQUIRES = {
    "app": ["Lib-One>=1", "win-only; sys_platform == 'win32'", "tool; extra == 'dev'", "old; python_version < '3.8'"],
    "lib-one": ["requests[socks]", "lib-one", "broken >", "dropped"],
    "requests": ["pysocks; extra == 'socks'", "chardet; extra == 'detect'"],
}


def selected(name: str, version: str = "1.0", sha256: str = "") -> Selected:
    return Selected(
        package=name,
        version=version,
        kind="wheel",
        name=f"{name}-{version}-py3-none-any.whl",
        url=None,
        path=None,
        size=1,
        sha256=sha256 or name.ljust(64, "0"),
        upload_time=None,
    )


def package(name: str, version: str = "1.0", marker: str | None = None, needs: Sequence[str] = ()) -> Package:
    file = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    wheel = Wheel(
        name=file, size=1, sha256="a" * 64, contents="b" * 64, record="c" * 64, path=f"wheels/{'a' * 16}/{file}"
    )
    return Package(name=name, version=version, marker=marker, wheels=(wheel,), dependencies=tuple(needs))


def found(
    rows: Mapping[Platform, Sequence[str]], requires: Mapping[str, Sequence[str]] = REQUIRES, asked: Sequence[str] = ()
) -> dict[str, tuple[str, ...]]:
    names = sorted({name for each in rows.values() for name in each})
    packages = with_dependencies(
        [package(name) for name in names],
        {platform: [selected(name) for name in each] for platform, each in rows.items()},
        lambda row, _: requires.get(row.package, ()),
        asked,
        "3.11",
    )
    return {each.name: each.dependencies for each in packages if each.dependencies}


EVERYTHING = ("app", "chardet", "lib-one", "old", "pysocks", "requests", "tool", "win-only")


def test_markers_and_extras() -> None:
    """What is needed on any platform counts; extras where something needed names them; names are normalised."""
    assert found({LINUX: EVERYTHING}) == {
        "app": ("lib-one",),
        "lib-one": ("requests",),
        "requests": ("pysocks",),
    }
    assert found({LINUX: EVERYTHING, WINDOWS: EVERYTHING})["app"] == ("lib-one", "win-only")


def test_extras_that_the_manifest_asks_for() -> None:
    """They count too, and what one of them needs of itself."""
    assert found({LINUX: EVERYTHING}, asked=["App[dev]", "requests[detect]"]) == {
        "app": ("lib-one", "tool"),
        "lib-one": ("requests",),
        "requests": ("chardet", "pysocks"),
    }


def test_what_is_not_locked_is_no_dependency() -> None:
    """An override may have taken it out."""
    assert found({LINUX: ("app", "requests")}) == {}


def test_what_is_asked_for() -> None:
    """Requirements of the manifest and of its files, and those of other tools' locks."""
    inputs = {
        "python": "3.9",
        "requirements": "a[x]; b>=1;python_version < '3.10'",
        "from r.txt": "c; d",
        "groups": "g",
    }
    assert requirements_asked_for(inputs, ("e",)) == ("a[x]", "b>=1;python_version < '3.10'", "c", "d", "e")


def lock_of(*packages: Package) -> Lock:
    return Lock(
        env="it",
        python="3.11",
        platforms=(LINUX, WINDOWS),
        packages=packages,
        frameworks=(),
        as_of=None,
        inputs={"requirements": "app"},
    )


def test_kept_where_nothing_changed() -> None:
    """The same wheels for the same inputs need the same: nothing is read again."""
    plain = [package("app"), package("lib-one")]
    old = lock_of(package("app", needs=["lib-one"]), package("lib-one"))
    assert kept_dependencies(plain, old.inputs, old) == old.packages
    assert kept_dependencies(plain, {"requirements": "app[dev]"}, old) is None
    assert kept_dependencies([package("app", "2.0"), package("lib-one")], old.inputs, old) is None
    assert kept_dependencies(plain, old.inputs, None) is None


def test_a_lock_of_old_is_read_anew() -> None:
    """It does not say what it needs, which is not the same as needing nothing."""
    old = lock_of(package("app"), package("lib-one"))
    assert kept_dependencies(old.packages, old.inputs, old) is None
    new = lock_of(package("app", needs=["lib-one"]), package("lib-one"))
    assert told_as_before(new, old) == old
    assert told_as_before(new, new) == new


def test_written_as_pep_751_has_them() -> None:
    """One row each; with the version where two are locked, and of those only what is on the same platforms."""
    lock = lock_of(
        package("app", needs=["both", "one"]),
        package("both", "1.0", f"({LINUX.marker})"),
        package("both", "2.0", f"({WINDOWS.marker})", needs=["one"]),
        package("linux", marker=f"({LINUX.marker})", needs=["both"]),
        package("one"),
    )
    raw = write_lock(lock)
    assert parse_lock(raw, "here").lock == lock
    document = tomllib.loads(raw.decode())
    Pylock.from_dict(document)
    assert [row.get("dependencies") for row in document["packages"]] == [
        [{"name": "both", "version": "1.0"}, {"name": "both", "version": "2.0"}, {"name": "one"}],
        None,
        [{"name": "one"}],
        [{"name": "both", "version": "1.0"}],
        None,
    ]


@pytest.mark.parametrize("name", ["elsewhere", "../x", "One"])
def test_dependencies_that_are_none(name: str) -> None:
    """A dependency is a package of the same lock, by its normalised name."""
    raw = write_lock(lock_of(package("app", needs=["one"]), package("one"))).partition(b"\n[tool.envlock.digests]")[0]
    with pytest.raises(UsageError) as raised:
        parse_lock(raw.replace(b'{ name = "one" }', f'{{ name = "{name}" }}'.encode()), "here")
    assert raised.value.reference == "bad-lock"


class Server:
    """Serves wheels by ranges, and counts."""

    def __init__(self, *paths: Path) -> None:
        self.files = {f"https://example.com/{path.name}": path.read_bytes() for path in paths}
        self.asked = 0

    def get_range(self, url: str, start: int, end: int) -> bytes:
        """Serve a part of a wheel."""
        self.asked += 1
        return self.files[url][start:end]


class NoArtifacts:
    """A cache without anything in it."""

    def get(self, sha256: str, name: str) -> None:
        """Have nothing."""


def test_read_with_the_digests(tmp_path: Path) -> None:
    """No request more for a wheel that is new; one that an older lock knows is opened for its METADATA alone."""
    path = make_wheel(tmp_path, "app", requires=("lib-one>=1", "tool; extra == 'dev'"))
    server = Server(path)
    opening = Opening(server, NoArtifacts(), NoProgress())  # type: ignore[arg-type]
    row = replace(
        selected("app", sha256="d" * 64),
        name=path.name,
        url=f"https://example.com/{path.name}",
        size=path.stat().st_size,
    )
    digests = wheel_digests([row], known={}, opening=opening)
    assert server.asked == 1
    expected = {row.sha256: ("lib-one>=1", "tool; extra == 'dev'")}
    assert wheel_requires([row], known=digests, opening=opening) == expected
    assert server.asked == 1
    known = {row.sha256: replace(digests[row.sha256], requires=None)}
    assert wheel_requires([row], known=known, opening=opening) == expected
    assert server.asked == 2
