"""What uv's failures are told as."""

from __future__ import annotations

import msgspec
import pytest

from envlock.adapters.uv_errors import explain, failure
from envlock.model.edges import MetadataUnknownError, Resolution
from envlock.model.platform import Platform

WANTED = Resolution(
    requirements=("six",),
    python="3.9",
    platform=Platform("linux", "amd64"),
    glibc="2.31",
    cutoff="2021-01-01T00:00:00Z",
)
NONE = "error: No solution found when resolving dependencies\n  cause: Because six was not found, we can conclude ..."
INDENTED = NONE.replace("\n", "\n  ")
"""Lines that are not ours stand further in than ours."""


def test_unsatisfiable() -> None:
    """uv's own words, its hints, and what was asked for."""
    error = explain(failure(1, f"{NONE}\n\nhint: one thing\n\nhint: another\n"), WANTED)
    assert str(error) == (
        "The requirements cannot be satisfied for Python 3.9 on linux/amd64, glibc 2.31. [unsatisfiable]\n"
        "  expected: a set of releases from before 2021-01-01T00:00:00Z\n"
        f"  found: {INDENTED}\n"
        "  next: one thing\n    another"
    )


def test_an_sdist_without_metadata() -> None:
    """Name and version are read off the message; the release is no failure yet."""
    text = "error: Failed to build `typing-extensions==1.0.post1`\n  cause: The build backend returned an error\n"
    error = explain(failure(1, text), WANTED)
    assert isinstance(error, MetadataUnknownError)
    assert (error.project, error.version) == ("typing-extensions", "1.0.post1")


@pytest.mark.parametrize(
    ("status", "text", "answer", "next_step"),
    [
        (
            1,
            f"{NONE}\n\nhint: An index URL (http://x/) ... credentials (401 Unauthorized)",
            "401 Unauthorized.",
            "netrc",
        ),
        (1, f"{NONE}\n\nhint: An index (http://x/) returned a 403 Forbidden error.", "403 Forbidden.", "may read"),
        (
            2,
            "error: Failed to fetch: http://x/\n  cause: ... (429 Too Many Requests) for url",
            "429 Too Many Requests.",
            "wait",
        ),
        (
            2,
            "error: Failed to fetch: http://x/\n  cause: ... (500 Internal Server Error)",
            "500 Internal Server Error.",
            "later",
        ),
    ],
)
def test_an_index_that_refuses(status: int, text: str, answer: str, next_step: str) -> None:
    """The answer of the index is named, and what to do about it."""
    error = explain(failure(status, text), WANTED)
    assert (error.reference, error.exit_code) == ("index-refused", 2)
    assert answer in error.what
    assert next_step in error.hint
    assert error.where == "http://x/"


@pytest.mark.parametrize(
    "cause",
    [
        "Because six was not found in the package registry and you require six, we can conclude ...",
        "Because there are no versions of six and you require six, we can conclude ...",
    ],
)
def test_a_name_that_no_index_has(cause: str) -> None:
    """No pin is to blame: the next step is to look at the name and at the indexes."""
    wanted = msgspec.structs.replace(WANTED, cutoff=None)
    error = explain(failure(1, f"error: No solution found when resolving dependencies\n  cause: {cause}"), wanted)
    assert (error.reference, error.exit_code) == ("unsatisfiable", 2)
    assert error.hint == "Check the name six, and that an index of this machine or of [[index]] has it."


@pytest.mark.parametrize(
    "text",
    [
        "error: No solution found when resolving dependencies\n  cause: Because six==1.0 has an invalid package format",
        "error: Failed to unzip wheel: six-1.0-py3-none-any.whl\n  cause: unable to locate the end",
    ],
)
def test_something_else_where_a_wheel_should_be(text: str) -> None:
    """A login page, or half a file, is no matter of pins."""
    error = explain(failure(1, text), WANTED)
    assert (error.reference, error.exit_code) == ("broken-wheel", 2)
    assert "login page" in error.hint


def test_a_requirements_file_that_cannot_be_read() -> None:
    """The place is said, such as that of a conflict marker."""
    text = "error: Unexpected '<', expected '-c', '-e', '-r' or the start of a requirement: requirements.txt:4:1"
    error = explain(failure(2, text), WANTED)
    assert str(error) == (
        "A requirements file cannot be read. [bad-requirements]\n"
        "  where: requirements.txt, line 4, column 1\n"
        "  found: Unexpected '<', expected '-c', '-e', '-r' or the start of a requirement\n"
        "  next: Mend that line."
    )


def test_not_every_failure_is_a_matter_of_pins() -> None:
    """uv ends with 1 for other reasons too; what is told is what it said."""
    error = explain(failure(1, "error: The wheel filename `x.whl` is invalid: Must have a version"), WANTED)
    assert (error.reference, error.hint) == ("resolver-failed", "")


def test_nothing_private_is_told() -> None:
    """No credential of a URL, and no name of a temporary file."""
    text = "error: Failed to fetch: `https://me:pass@word@example.com/simple/?token=1`\n  cause: /tmp/x/requirements.in"
    error = explain(failure(2, text, "/tmp/x"), WANTED)
    assert error.found == "error: Failed to fetch: `https://***@example.com/simple/?***@`\n  cause: requirements.in"
    assert error.reference == "resolver-failed"
    assert "--offline" in error.hint
