"""What is read of an installed distribution, whatever bytes stand there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envlock.formats.dist_info import (
    EntryPointScript,
    is_known_installer,
    read_cache_stamp,
    read_direct_url,
    read_entry_points,
    read_generator,
    read_identity,
    read_tags,
)
from envlock.formats.launcher import any_body, body_of, launchers, shebangs
from envlock.formats.pyc import source_of
from envlock.formats.record import RecordRow, encode_sha256, parse_record, resolve

EMPTY = "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"


def test_record() -> None:
    """Plain and quoted paths, rows without hash, and both line endings are read."""
    for ending in ("\n", "\r\n"):
        lines = [f"a/b.py,{EMPTY},0", f'"with,comma ""q"".py",{EMPTY},12', "x-1.dist-info/RECORD,,", ""]
        record = parse_record(ending.join(lines).encode())
        assert record.malformed == ()
        assert record.rows == (
            RecordRow("a/b.py", EMPTY, 0),
            RecordRow('with,comma "q".py', EMPTY, 12),
            RecordRow("x-1.dist-info/RECORD", "", None),
        )
    assert record.rows[0].sha256 == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    "line",
    [
        "a.py",
        "a.py,,,",
        "a.py,sha256,1",
        "a.py,md5=abc,1",
        "a.py,,-1",
        "a.py,,1x",
        ",,",
        '"a,,1',
        'a"b.py,,1',
        "a\rb,,1",
    ],
)
def test_malformed_rows(line: str) -> None:
    """A line that is not exactly a row claims nothing."""
    record = parse_record(f"{line}\n".encode())
    assert (record.rows, record.malformed) == ((), (line,))


def test_missing_line_ending_and_mixed_ones_are_seen() -> None:
    """The last byte counts as well; a row without it is told, and still says whose the file is."""
    assert parse_record(b"a.py,,1").malformed == ("a.py,,1",)
    assert parse_record(b"a.py,,1\nb.py,,1\r\n").malformed == ("a.py,,1\nb.py,,1",)
    appended = parse_record(b"a.py,,1\r\nb.py,,1\r\nc.py,,\nd.py,,")
    assert ([row.path for row in appended.rows], appended.malformed) == (["a.py", "b.py", "c.py", "d.py"], ("d.py,,",))
    assert parse_record(b"a.py,,1\r\nb.py,,1\nc.py,,1\r\nd.py,,1\n").malformed == ("a.py,,1\r", "c.py,,1\r")


def test_a_digest_has_one_spelling() -> None:
    """The unused bits at the end of base64 are no place to hide a difference."""
    assert RecordRow("a", EMPTY, 0).sha256 != RecordRow("a", EMPTY[:-1] + "V", 0).sha256 == ""
    assert encode_sha256(bytes.fromhex(RecordRow("a", EMPTY, 0).sha256 or "")) == EMPTY


@given(st.binary(max_size=400))
def test_no_bytes_crash_the_readers(raw: bytes) -> None:
    """Hostile metadata gives nothing, or a ValueError where a file has to be of a form."""
    parse_record(raw)
    read_identity(raw)
    read_entry_points(raw)
    read_tags(raw)
    read_generator(raw)
    is_known_installer(raw)
    any_body(raw)
    for reader in (read_direct_url, read_cache_stamp):
        try:
            reader(raw)
        except ValueError:
            continue


def test_identity_ends_with_the_headers() -> None:
    """A Version in the description is not the version."""
    text = b"Metadata-Version: 2.1\r\nName: Demo\r\nVersion: 1.0\r\n\r\nVersion: 2.0\r\n"
    assert read_identity(text) == ("Demo", "1.0")


def test_entry_points() -> None:
    """Console and GUI scripts are read with their extras cut off; other groups are no scripts."""
    text = b"[console_scripts]\nrun = demo.cli:main [extra]\n[gui_scripts]\nShow = demo:App.show\n[plugins]\nx = y\n"
    assert read_entry_points(text) == (
        EntryPointScript("run", "demo.cli", "main"),
        EntryPointScript("Show", "demo", "App.show"),
    )


def test_direct_url() -> None:
    """PEP 610 in its three forms."""
    assert read_direct_url(b'{"url": "file:///w", "dir_info": {"editable": true}}').editable
    assert read_direct_url(b'{"url": "https://example.com/x", "vcs_info": {"vcs": "git"}}').vcs == "git"
    archive = b'{"url": "https://example.com/x.whl", "archive_info": {"hashes": {"sha256": "ab"}}}'
    assert read_direct_url(archive).sha256 == "ab"
    for bad in (b"[]", b"{}", b'{"url": 1}', b'{"url": "x"}', b'{"url": "x", "dir_info": {}, "vcs_info": {}}'):
        with pytest.raises(ValueError, match="it "):
            read_direct_url(bad)


def test_shebangs_of_every_installer() -> None:
    """Plain, quoted for paths with spaces, and relocatable ones are known; another interpreter's is not."""
    known = tuple(shebangs(["/opt/my env/bin/python"]))
    script = next(launchers(EntryPointScript("run", "demo", "App.main")))
    assert b"from demo import App\n" in script
    assert b"sys.exit(App.main())" in script
    for line in known:
        assert body_of(line + script, known) == script
        assert any_body(line + script) == script
    assert body_of(b"#!/usr/bin/python\n" + script, known) is None


def test_paths() -> None:
    """`..` in RECORD is lexical; bytecode belongs to the source beside or above it."""
    assert resolve("/v/lib/python3.9/site-packages", "../../../bin/x") == "/v/bin/x"
    assert source_of("/s/a/__pycache__/b.cpython-39.opt-1.pyc") == "/s/a/b.py"
    assert source_of("/s/a/b.pyc") == "/s/a/b.py"
