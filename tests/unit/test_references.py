"""Where -t and the manifest say that images go."""

from __future__ import annotations

from pathlib import Path

import pytest

from envlock.errors import UsageError
from envlock.formats.project import LABEL_SOURCE
from envlock.model.manifest import Manifest
from envlock.model.manifest_parser import find_manifest
from envlock.operations.references import destinations, is_lock_tag, lock_tag, neighbours, repository_of, tag_of
from tests.unit.images import lock_of
from tests.unit.wheels import make_wheel

MANIFEST = """\
[env.a]
python = "3.9"
dependencies = ["six"]
[env.a.image]
base = "debian-bullseye-python3.9"
{repository}

[env.b]
python = "3.9"
dependencies = ["six"]
[env.b.image]
base = "debian-bullseye-python3.9"
repository = "registry.example.com/team/b"
"""
HEX = "0123456789abcdef" * 2


def manifest(folder: Path, repository: str | None = "registry.example.com/team/a") -> Manifest:
    line = f'repository = "{repository}"' if repository else ""
    (folder / "envlock.toml").write_text(MANIFEST.format(repository=line), "utf-8")
    return find_manifest(folder)


def said(folder: Path, *given: str, repository: str | None = "registry.example.com/team/a") -> list[tuple[str, ...]]:
    found = destinations(manifest(folder, repository), "a", given)
    return [(each.repository.name, *each.tags) for each in found]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((), [("registry.example.com/team/a",)]),
        ((":v1",), [("registry.example.com/team/a", "v1")]),
        (("v1", ":v2", "v1"), [("registry.example.com/team/a", "v1", "v2")]),
        (("127.0.0.1:5000/x:1",), [("127.0.0.1:5000/x", "1")]),
        (("127.0.0.1:5000/x",), [("127.0.0.1:5000/x", "latest")]),
        (
            ("v1", "registry.example.org/y:1", "registry.example.com/team/a:v2"),
            [("registry.example.com/team/a", "v1", "v2"), ("registry.example.org/y", "1")],
        ),
    ],
)
def test_tags_and_references(tmp_path: Path, given: tuple[str, ...], expected: list[tuple[str, ...]]) -> None:
    """A word, with a colon or not, is a tag in the manifest's repository; anything else is a whole reference."""
    assert said(tmp_path, *given) == expected


@pytest.mark.parametrize(
    ("given", "reference"),
    [
        ("Registry.example.com/Team/a:1", "bad-reference"),
        ("registry.example.com/a b:1", "bad-reference"),
        (f"registry.example.com/a@sha256:{HEX}{HEX}", "bad-reference"),
        ("churn:v1", "bad-reference"),
        (":-v1", "bad-tag"),
        ("v" * 129, "bad-tag"),
        (f"lock-{HEX}", "reserved-tag"),
        (f"registry.example.com/a:lock-{HEX}", "reserved-tag"),
        (f"lock-{HEX[:16]}-src-{HEX[:16]}", "reserved-tag"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, given: str, reference: str) -> None:
    """By a reference for the documentation, before anything is built."""
    with pytest.raises(UsageError) as caught:
        said(tmp_path, given)
    assert caught.value.reference == reference


def test_without_a_repository_only_whole_references_do(tmp_path: Path) -> None:
    """The way out names both ways."""
    assert said(tmp_path, "registry.example.com/a:1", repository=None) == [("registry.example.com/a", "1")]
    for given in ((), (":v1",), ("v1",)):
        with pytest.raises(UsageError) as caught:
            said(tmp_path, *given, repository=None)
        assert caught.value.reference == "no-repository"
        assert "-t registry.example.com" in caught.value.hint


def test_a_repository_has_no_tag(tmp_path: Path) -> None:
    """It would be ignored, so it is refused."""
    for repository in ("registry.example.com/team/a:v1", f"registry.example.com/team/a@sha256:{HEX}{HEX}"):
        with pytest.raises(UsageError):
            repository_of(manifest(tmp_path, repository), "a")
    found = repository_of(manifest(tmp_path, "team"), "a")
    assert found is not None
    assert found.name == "library/team"


def test_neighbours_are_the_repositories_that_the_manifest_knows(tmp_path: Path) -> None:
    """The environment's own first."""
    found = neighbours(manifest(tmp_path), "b", lock_of([make_wheel(tmp_path)]).lock)
    assert [each.name for each in found] == ["registry.example.com/team/b", "registry.example.com/team/a"]


def test_tags_of_locks_are_known_by_their_form() -> None:
    """Nothing else looks like one."""
    assert is_lock_tag(f"lock-{HEX}")
    assert not is_lock_tag("lock-v1")
    assert tag_of(":lock-v1") == "lock-v1"


def test_an_environment_without_an_image_has_none_to_push(tmp_path: Path) -> None:
    """Also where a whole reference is given: a repository alone would not help."""
    (tmp_path / "envlock.toml").write_text('[env.a]\npython = "3.9"\ndependencies = ["six"]\n')
    for given in ((), ("registry.example.com/a:1",)):
        with pytest.raises(UsageError) as caught:
            destinations(find_manifest(tmp_path), "a", given)
        assert caught.value.reference == "no-image"
        assert "envlock lock a" in caught.value.hint


def test_what_an_image_says_gives_the_tag_of_its_lock() -> None:
    """Of a project image that of lock and files; of anybody else's none."""
    lock, source = f"sha256:{HEX}{HEX}", f"sha256:{HEX[::-1]}{HEX}"
    assert lock_tag({"dev.envlock.lock.digest": lock}) == f"lock-{HEX}"
    both = {"dev.envlock.lock.digest": lock, LABEL_SOURCE: source}
    assert lock_tag(both) == f"lock-{HEX[:16]}-src-{HEX[::-1][:16]}"
    assert lock_tag({}) is None
    assert lock_tag({"dev.envlock.lock.digest": "latest"}) is None
