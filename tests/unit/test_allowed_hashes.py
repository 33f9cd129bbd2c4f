"""Hashes of requirements files and of other tools' locks."""

from __future__ import annotations

from pathlib import Path

import pytest

from envlock.errors import IntegrityError
from envlock.locking.allowed_hashes import AllowedHash, check_hashes
from envlock.locking.select import Selected
from envlock.locking.sources import read_sources
from envlock.model.manifest import Environment
from envlock.model.platform import Platform

AMD64 = Platform("linux", "amd64")
GOOD, OTHER = "a" * 64, "b" * 64


def row(sha256: str, *, version: str = "1.0") -> Selected:
    return Selected(
        package="demo-kit",
        version=version,
        kind="wheel",
        name=f"demo_kit-{version}-py3-none-any.whl",
        url=None,
        path=None,
        size=1,
        sha256=sha256,
        upload_time=None,
    )


def hashes(folder: Path, name: str, text: str) -> tuple[AllowedHash, ...]:
    (folder / name).write_text(text, "utf-8")
    return read_sources(Environment(python="3.11", from_=(name,)), folder).hashes


REQUIREMENTS = f"demo.kit[extra]==1.0 ; python_version > '3' \\\n    --hash=sha256:{GOOD} \\\n    --hash sha512:ff\n"
UV_LOCK = f"""\
version = 1
[[package]]
name = "project"
version = "0"
source = {{ virtual = "." }}
dependencies = [{{ name = "demo-kit" }}]
[[package]]
name = "demo-kit"
version = "1.0"
source = {{ registry = "https://example.com/simple" }}
wheels = [{{ url = "https://example.com/d.whl", hash = "sha256:{GOOD}" }}]
"""
POETRY_LOCK = f"""\
[[package]]
name = "demo-kit"
version = "1.0"
files = [{{ file = "d.whl", hash = "sha256:{GOOD}" }}]
[metadata]
lock-version = "2.0"
"""


@pytest.mark.parametrize(
    ("name", "text"), [("requirements.txt", REQUIREMENTS), ("uv.lock", UV_LOCK), ("poetry.lock", POETRY_LOCK)]
)
def test_only_the_named_files_may_be_locked(tmp_path: Path, name: str, text: str) -> None:
    """A file of the right name and version with another hash is refused, and the source of the hash is named."""
    found = hashes(tmp_path, name, text)
    check_hashes({AMD64: [row(GOOD)]}, found)
    check_hashes({AMD64: [row(OTHER, version="1.1")]}, found)
    with pytest.raises(IntegrityError, match=name) as raised:
        check_hashes({AMD64: [row(OTHER)]}, found)
    assert raised.value.reference == "hash-not-allowed"
    assert (raised.value.expected, raised.value.found) == (f"sha256 {GOOD}", f"sha256 {OTHER}")


def test_an_included_file_counts(tmp_path: Path) -> None:
    """`-r` and `-c` bring their hashes along, and files that include each other end."""
    (tmp_path / "pins.txt").write_text(f"-r requirements.txt\n{REQUIREMENTS}", "utf-8")
    assert [one.digest for one in hashes(tmp_path, "requirements.txt", "-c pins.txt\n")] == [
        f"sha256:{GOOD}",
        "sha512:ff",
    ]


def test_without_hashes_nothing_is_judged(tmp_path: Path) -> None:
    """A requirement without a hash, or with one that no index gives, allows every file."""
    check_hashes({AMD64: [row(OTHER)]}, hashes(tmp_path, "requirements.txt", "demo-kit==1.0 --hash=md5:00\n"))
