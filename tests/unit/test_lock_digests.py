"""A lock that was edited by hand is noticed, and the table is named."""

from __future__ import annotations

import pytest

from envlock.errors import IntegrityError
from envlock.formats.lock_digests import digests_of
from envlock.formats.pylock import parse_lock, write_lock
from tests.unit.test_pylock import full_lock


def test_every_table_has_a_digest() -> None:
    """Of 16 hex digits, and never of itself."""
    found = digests_of(write_lock(full_lock()))
    assert {"packages", "envlock", "inputs", "settings", "image", "base"} <= set(found)
    assert "digests" not in found
    assert all(len(digest) == 16 for digest in found.values())


@pytest.mark.parametrize(
    ("before", "after", "table"),
    [
        (b'version = "1.16.0"', b'version = "1.15.0"', "[[packages]]"),
        (b'policy = "numeric"', b'policy = "bitwise"', "[tool.envlock]"),
        (b'python = "3.9"\nrequirements', b'python = "3.8"\nrequirements', "[tool.envlock.inputs]"),
        (b'version = "2.31-13"', b'version = "2.31-14"', "[tool.envlock.base]"),
        (b"[tool.envlock.settings]", b"# harmless\n[tool.envlock.settings]", "[tool.envlock.inputs]"),
    ],
)
def test_an_edit_names_its_table(before: bytes, after: bytes, table: str) -> None:
    """Exit 4, with the table and the next step."""
    raw = write_lock(full_lock())
    assert before in raw
    with pytest.raises(IntegrityError) as caught:
        parse_lock(raw.replace(before, after, 1), "pylock.tf25.toml")
    assert (caught.value.reference, caught.value.exit_code) == ("edited-lock", 4)
    assert caught.value.where == f"pylock.tf25.toml: {table}"
    assert "envlock lock" in caught.value.hint


def test_an_edited_digest_is_noticed() -> None:
    """The digests vouch for the tables, and these for them."""
    raw = write_lock(full_lock())
    digest = digests_of(raw)["settings"].encode()
    with pytest.raises(IntegrityError, match="edited by hand") as caught:
        parse_lock(raw.replace(digest, b"0" * 16), "pylock.tf25.toml")
    assert caught.value.expected == "0" * 16


def test_line_ends_are_gits_affair() -> None:
    """A checkout with CRLF is the same lock."""
    raw = write_lock(full_lock())
    assert parse_lock(raw.replace(b"\n", b"\r\n"), "pylock.tf25.toml").lock == full_lock()


def test_older_locks_have_no_digests() -> None:
    """A lock without the table is read as before."""
    raw = write_lock(full_lock()).partition(b"\n[tool.envlock.digests]")[0]
    assert parse_lock(raw, "pylock.tf25.toml").lock == full_lock()
