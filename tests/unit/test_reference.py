"""References of images, read as docker reads them."""

from __future__ import annotations

import pytest

from envlock.errors import UsageError
from envlock.model.reference import Reference, is_reference

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "registry", "repository", "target", "written"),
    [
        ("registry.example.com/python:3.11-slim", "registry.example.com", "python", "3.11-slim", None),
        ("127.0.0.1:5000/team/base", "127.0.0.1:5000", "team/base", "latest", "127.0.0.1:5000/team/base:latest"),
        ("localhost/a:1", "localhost", "a", "1", None),
        ("[::1]:5000/a:1", "[::1]:5000", "a", "1", None),
        ("python:3.11", "", "library/python", "3.11", "library/python:3.11"),
        ("team/base:v1", "", "team/base", "v1", None),
        (f"host.example.com/a@{DIGEST}", "host.example.com", "a", DIGEST, None),
        (f"host.example.com/a:1@{DIGEST}", "host.example.com", "a", DIGEST, f"host.example.com/a@{DIGEST}"),
    ],
)
def test_host_repository_and_tag_are_told_apart(
    text: str, registry: str, repository: str, target: str, written: str | None
) -> None:
    """A first component with a dot, a port or the name localhost is a host; a digest wins over a tag."""
    found = Reference.parse(text)
    assert (found.registry, found.repository, found.target) == (registry, repository, target)
    assert str(found) == (written or text)
    assert str(found.at(DIGEST)).endswith(f"{repository}@{DIGEST}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "UPPER/case:1",
        "a b",
        "https://example.com/a",
        "a:",
        "a@sha256:12",
        "a/../b",
        "a:1\n",
        "-x/a",
        "a.example.com:65536/x",
    ],
)
def test_what_is_no_reference_is_said(text: str) -> None:
    """With the form that is expected."""
    with pytest.raises(UsageError, match="bad-reference"):
        Reference.parse(text)


def test_a_plain_word_is_the_name_of_a_recipe() -> None:
    """Anything with a slash, a colon or an at sign is a reference."""
    assert not is_reference("debian-bookworm-python3.11")
    assert all(map(is_reference, ("python:3.11", "team/base", f"base@{DIGEST}")))
