"""Locks are written canonically and read back whole."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.pylock import Pylock

from envlock.errors import UsageError
from envlock.formats.pylock import parse_lock, read_lock, wheels_of, write_lock
from envlock.model.artifact import Build, Deb, Requirement, Sdist, Suite, Wheel
from envlock.model.lock import Base, ImageConfig, Lock, Package, Settings
from envlock.model.platform import Platform

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")


def wheel(name: str, *, url: str | None = None) -> Wheel:
    return Wheel(
        name=name,
        size=10,
        sha256="a" * 64,
        contents="b" * 64,
        record="c" * 64,
        url=url,
        path=None if url else f"wheels/{'a' * 16}/{name}",
        upload_time="2021-05-13T17:33:06Z" if url else None,
    )


def unsealed(lock: Lock) -> bytes:
    """Return a lock without the digests of its tables: who writes a hostile one leaves them out or adapts them."""
    return write_lock(lock).partition(b"\n[tool.envlock.digests]")[0]


def full_lock() -> Lock:
    deb = Deb(
        name="libc6",
        version="2.31-13",
        architecture="amd64",
        archive="debian",
        path="pool/main/g/glibc/libc6.deb",
        size=1,
        sha256="d" * 64,
    )
    return Lock(
        env="tf25",
        python="3.9",
        platforms=(AMD64, ARM64),
        packages=(
            Package(name="six", version="1.16.0", wheels=(wheel("six-1.16.0-py2.py3-none-any.whl"),)),
            Package(
                name="tensorflow",
                version="2.5.0",
                marker=f"({AMD64.marker})",
                wheels=(
                    wheel(
                        "tensorflow-2.5.0-cp39-cp39-manylinux2010_x86_64.whl",
                        url="https://example.com/tensorflow-2.5.0-cp39-cp39-manylinux2010_x86_64.whl",
                    ),
                ),
            ),
            Package(
                name="wrapt",
                version="1.12.1",
                wheels=(wheel("wrapt-1.12.1-cp39-cp39-linux_x86_64.whl"),),
                build=Build(
                    sdist=Sdist(name="wrapt-1.12.1.tar.gz", size=1, sha256="e" * 64),
                    requires=(
                        Requirement(
                            name="wheel", version="1", file="wheel-1-py3-none-any.whl", size=1, sha256="f" * 64
                        ),
                    ),
                ),
            ),
        ),
        frameworks=("tensorflow",),
        as_of="2021-05-14T17:33:06Z",
        urls="omit",
        inputs={"python": "3.9", "requirements": 'six; "quoted"\n\x7fü'},
        settings=Settings(threads=8, env={"A": "1"}),
        image=ImageConfig(entrypoint=("python", "-m", "x")),
        base=Base(
            recipe="debian-bullseye-python3.9",
            distribution="debian",
            interpreter="/usr/bin/python3.9",
            python="3.9.2",
            glibc="2.31",
            solver="closure",
            effects=("ca-bundle",),
            suites=(
                Suite(archive="debian", suite="bullseye", date="2021-01-01T00:00:00Z", sha256="0" * 64, signer="AB"),
            ),
            packages=(deb,),
            build_packages=(deb,),
        ),
    )


def test_written_lock_reads_back() -> None:
    """Nothing is lost, and writing again gives the same bytes."""
    raw = write_lock(full_lock())
    read = parse_lock(raw, "here")
    assert read.lock == full_lock()
    assert write_lock(read.lock) == raw
    assert b"\r" not in raw and raw.endswith(b"\n")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'sha256 = "' + b"a" * 64, b'sha256 = "../../' + b"a" * 58),
        (b'sha256 = "' + b"d" * 64, b'sha256 = "../../victim"' + b" " * 41),
        (b'path = "wheels/', b'path = "../wheels/'),
        (b'path = "wheels/' + b"a" * 16, b'path = "wheels/../../x'),
        (b'path = "pool/main/g', b'path = "pool/../../g'),
        (b'path = "pool/main/g', b'path = "/pool/main/g'),
        (b'name = "wrapt-1.12.1.tar.gz"', b'name = "../wrapt-1.12.1.tar.gz"'),
        (b'file = "wheel-1-py3-none-any.whl"', b'file = "../wheel-1-py3-none-any.whl"'),
        (b'contents = "' + b"b" * 64, b'contents = "../' + b"b" * 61),
        (b'env = "tf25"', b'env = "../tf25"'),
        (b'python = "3.9"\n', b'python = "3.10"\n'),
        (b'interpreter = "/usr/bin/python3.9"', b'interpreter = "/bin/sh"'),
    ],
)
def test_lock_that_reaches_outside_is_refused(old: bytes, new: bytes) -> None:
    """A lock comes from a pull request: no name or digest of it may lead out of the folders it is for."""
    raw = unsealed(full_lock())
    assert old in raw
    with pytest.raises(UsageError) as caught:
        parse_lock(raw.replace(old, new), "here")
    assert caught.value.reference == "bad-lock"


def test_a_lock_of_no_packages_reads_back() -> None:
    """An image may stand on a base and its own files alone; PEP 751 wants the array all the same."""
    lock = msgspec.structs.replace(full_lock(), packages=(), frameworks=())
    raw = write_lock(lock)
    assert parse_lock(raw, "lock").lock == lock
    assert tomllib.loads(raw.decode())["packages"] == []


def test_lock_under_another_name_is_refused(tmp_path: Path) -> None:
    """pylock.NAME.toml holds environment NAME."""
    path = tmp_path / "pylock.other.toml"
    path.write_bytes(write_lock(full_lock()))
    with pytest.raises(UsageError, match="another environment"):
        read_lock(path)


def test_lock_is_a_valid_pylock() -> None:
    """packaging validates it (PEP 751)."""
    Pylock.from_dict(tomllib.loads(write_lock(full_lock()).decode())).validate()


def test_one_artifact_a_line() -> None:
    """A reviewer sees one changed line for one changed file."""
    lines = write_lock(full_lock()).decode().splitlines()
    assert sum('hashes = { sha256 = "' in line for line in lines) == 3
    assert all(line.count("sha256 = ") <= 1 for line in lines)


def test_order_of_what_goes_in_does_not_matter() -> None:
    """Inputs and environment variables are sorted."""
    lock = full_lock()
    turned = msgspec.structs.replace(lock, inputs=dict(reversed(lock.inputs.items())))
    assert write_lock(turned) == write_lock(lock)


@given(st.dictionaries(st.text(), st.text()))
def test_any_text_survives(inputs: dict[str, str]) -> None:
    """Keys and strings are escaped, whatever is in them."""
    printable = {k: v for k, v in inputs.items() if not any("\ud800" <= c <= "\udfff" for c in k + v)}
    lock = msgspec.structs.replace(full_lock(), inputs=printable)
    assert parse_lock(write_lock(lock), "here").lock.inputs == printable


def test_selection_by_platform() -> None:
    """Markers and tags of a target choose; any-platform wheels serve all."""
    names = {str(p): [package.name for package, _ in wheels_of(full_lock(), p)] for p in (AMD64, ARM64)}
    assert names == {"linux/amd64": ["six", "tensorflow", "wrapt"], "linux/arm64": ["six"]}


@pytest.mark.parametrize(
    ("raw", "reference", "word"),
    [
        (b"<<<<<<< HEAD\n", "conflict-markers", "conflict markers"),
        (b"\xff", "bad-lock", "not TOML"),
        (b"a = \n", "bad-lock", "not TOML"),
        (b'lock-version = "1.0"\n', "foreign-lock", "not written by envlock"),
        (b"[tool.envlock]\nschema = 9\n", "newer-lock", "newer envlock"),
        (b'[tool.envlock]\nschema = "x"\n', "bad-lock", "schema"),
        (
            unsealed(full_lock()).replace(b'policy = "numeric"', b'policy = "loose"'),
            "bad-lock",
            "not as envlock writes",
        ),
        (unsealed(full_lock()).replace(b"recipe =", b"recepie ="), "bad-lock", "not as envlock writes"),
        (
            unsealed(full_lock()).replace(b'version = "1.16.0"', b'version = "x y"'),
            "bad-lock",
            "not as envlock writes",
        ),
    ],
)
def test_broken_locks(raw: bytes, reference: str, word: str) -> None:
    """What cannot be trusted to be a lock says why, and what to do."""
    with pytest.raises(UsageError) as caught:
        parse_lock(raw, "lockfiles/pylock.x.toml")
    assert caught.value.reference == reference
    assert word in caught.value.what
    assert caught.value.hint
