"""Wheels are read without trust."""

from __future__ import annotations

import hashlib
import stat
import warnings
import zipfile
from pathlib import Path

import pytest

from envlock.errors import EnvlockError, IntegrityError, UsageError
from envlock.formats.contents import contents_digest, recorded_rows, script_body, verify_wheel
from envlock.formats.wheel import EntryPoint, open_wheel
from tests.unit.wheels import make_wheel, record_line


def refusal(path: Path) -> str:
    """Read a wheel whole and return why it was refused."""
    with pytest.raises(IntegrityError) as caught, open_wheel(path) as wheel:
        verify_wheel(wheel)
    assert caught.value.exit_code == 4
    assert path.name in caught.value.what
    return caught.value.what


def link_entry(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def test_schemes_and_scripts(tmp_path: Path) -> None:
    """purelib, platlib and the root are one scheme; entry points are read, names keep their case."""
    path = make_wheel(
        tmp_path,
        files={
            "demo/__init__.py": b"",
            "demo-1.0.data/purelib/extra.py": b"x = 1\n",
            "demo-1.0.data/scripts/run": b"#!python\nprint(1)\n",
            "demo-1.0.data/data/share/demo.txt": b"text",
            "demo-1.0.data/headers/demo.h": b"int x;",
            "demo-1.0.dist-info/entry_points.txt": b"[console_scripts]\nDemo = demo:main\n[other]\nx = y\n",
        },
    )
    with open_wheel(path) as wheel:
        placed = {(entry.scheme, entry.path) for entry in wheel.entries if ".dist-info" not in entry.path}
        assert placed == {
            ("site", "demo/__init__.py"),
            ("site", "extra.py"),
            ("scripts", "run"),
            ("data", "share/demo.txt"),
            ("headers", "demo.h"),
        }
        assert wheel.entry_points() == (EntryPoint(group="console", name="Demo", module="demo", attr="main"),)
        assert (wheel.name, wheel.version, wheel.dist_info) == ("demo", "1.0", "demo-1.0.dist-info")


def test_contents_do_not_depend_on_compression_or_order(tmp_path: Path) -> None:
    """`contents` is what gets installed, so a repacked wheel has the same one."""
    files = {"b.py": b"b" * 5000, "a.py": b"a"}
    (tmp_path / "x").mkdir()
    first = make_wheel(tmp_path, files=files)
    second = make_wheel(tmp_path / "x", files=dict(reversed(files.items())), stored=frozenset({"b.py"}))
    with open_wheel(first) as one, open_wheel(second) as two:
        assert verify_wheel(one) == verify_wheel(two)
        assert first.read_bytes() != second.read_bytes()


def test_contents_golden(tmp_path: Path) -> None:
    """The digest is part of the lock's format: it may not change."""
    with open_wheel(make_wheel(tmp_path)) as wheel:
        rows = list(recorded_rows(wheel))
        assert contents_digest(rows) == contents_digest(reversed(rows))
        assert verify_wheel(wheel) == "c4cddf4e4c3374e87fea4dd3223f61356b596a521c60f61d59761b6038cc0a0e"


def test_python_scripts_count_from_line_two(tmp_path: Path) -> None:
    """Installers rewrite the first line of a `#!python` script, and no other script's."""
    (tmp_path / "x").mkdir()
    body = b"print(1)\n"
    one = make_wheel(tmp_path, files={"demo-1.0.data/scripts/run": b"#!python\n" + body})
    two = make_wheel(tmp_path / "x", files={"demo-1.0.data/scripts/run": b"#!pythonw\n" + body})
    with open_wheel(one) as first, open_wheel(two) as second:
        rows = {row.path: row for row in recorded_rows(first)}
        assert rows["run"].size == len(body)
        assert script_body(b"#!python\n" + body) == body
        assert [r for r in recorded_rows(first) if r.path == "run"] == [
            r for r in recorded_rows(second) if r.path == "run"
        ]


@pytest.mark.parametrize(
    ("name", "why"),
    [("../evil.py", "leave the folder"), ("/evil.py", "leave the folder"), ("a//b.py", "leave the folder"),
     ("a\\b.py", "leave the folder"), ("a/./b.py", "leave the folder")],
)  # fmt: skip
def test_climbing_paths_are_refused(tmp_path: Path, name: str, why: str) -> None:
    """No entry may leave the folder it is installed to."""
    assert why in refusal(make_wheel(tmp_path, extra=((name, b"x"),)))


def test_duplicate_entries_are_refused(tmp_path: Path) -> None:
    """Two readers could each take another one of two entries of the same name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = make_wheel(tmp_path, extra=(("demo/__init__.py", b"value = 2\n"),))
    assert "twice" in refusal(path)


def test_links_are_refused(tmp_path: Path) -> None:
    """A symbolic link in a wheel has no place in the specification."""
    assert "link" in refusal(make_wheel(tmp_path, extra=((link_entry("demo/link"), b"/etc/passwd"),)))


def test_unrecorded_files_are_refused(tmp_path: Path) -> None:
    """What RECORD does not list would be installed unproved."""
    assert "does not list" in refusal(make_wheel(tmp_path, extra=(("demo/more.py", b""),)))


def test_wrong_record_hash_is_refused(tmp_path: Path) -> None:
    """A file that is not what RECORD says is named."""
    record = record_line("demo/__init__.py", b"value = 2\n") + "demo-1.0.dist-info/RECORD,,\n"
    record += "demo-1.0.dist-info/METADATA,sha256=,\n"
    assert "RECORD" in refusal(make_wheel(tmp_path, record=record))


def test_metadata_that_was_edited_after_recording_counts_as_it_is(tmp_path: Path) -> None:
    """PyTorch 1.8 to 1.12 cut a local version out of METADATA and left RECORD: the file itself is hashed."""
    whole = make_wheel(tmp_path)
    with open_wheel(whole) as wheel:
        metadata = wheel.read(next(entry for entry in wheel.entries if entry.name.endswith("/METADATA")))
        record = wheel.record.decode()
    row = record_line("demo-1.0.dist-info/METADATA", metadata)
    edited = make_wheel(tmp_path, record=record.replace(row, record_line("demo-1.0.dist-info/METADATA", metadata * 2)))
    with open_wheel(edited) as wheel:
        entry = next(entry for entry in wheel.entries if entry.name.endswith("/METADATA"))
        assert (entry.sha256, entry.size) == (hashlib.sha256(metadata).hexdigest(), len(metadata))
        assert verify_wheel(wheel) == contents_digest(recorded_rows(wheel))


def test_another_file_of_another_size_is_refused(tmp_path: Path) -> None:
    """That leave is METADATA's alone."""
    with open_wheel(make_wheel(tmp_path)) as wheel:
        record = wheel.record.decode()
    row = record_line("demo/__init__.py", b"value = 1\n")
    assert "bytes, the archive" in refusal(make_wheel(tmp_path, record=record.replace(row, row.strip() + "1\n")))


def test_missing_recorded_file_is_refused(tmp_path: Path) -> None:
    """RECORD may not promise files that are not there."""
    good = make_wheel(tmp_path)
    with open_wheel(good) as wheel:
        record = wheel.record.decode() + record_line("demo/gone.py", b"")
    assert "not in the archive" in refusal(make_wheel(tmp_path, record=record))


@pytest.mark.parametrize("position", [0.2, 0.5, 0.8, 0.97])
def test_truncated_wheel_is_refused(tmp_path: Path, position: float) -> None:
    """A file that ends early is no wheel."""
    path = make_wheel(tmp_path)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * position)])
    refusal(path)


def test_every_flipped_byte_is_noticed_or_harmless(tmp_path: Path) -> None:
    """After any one-byte change a wheel is refused, or still installs the same contents."""
    path = make_wheel(tmp_path)
    raw = path.read_bytes()
    with open_wheel(path) as wheel:
        expected = verify_wheel(wheel)
    for at in range(len(raw)):
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 0x41]) + raw[at + 1 :])
        try:
            with open_wheel(path) as wheel:
                found = verify_wheel(wheel)
        except EnvlockError:
            continue
        assert found == expected, at


def test_stream_without_final_block_is_refused(tmp_path: Path) -> None:
    """A deflate stream whose last block is not marked final breaks the gzip it would be spliced into."""
    import struct
    import zlib

    data = b"value = 1\n" * 50
    compress = zlib.compressobj(9, zlib.DEFLATED, -15)
    open_ended = compress.compress(data) + compress.flush(zlib.Z_FULL_FLUSH)
    path = make_wheel(tmp_path, files={"demo/__init__.py": data})
    raw = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("demo/__init__.py")
        old = info.compress_size
    name = b"demo/__init__.py"
    start = info.header_offset + 30 + len(name)
    grown = len(open_ended) - old
    raw[start : start + old] = open_ended
    struct.pack_into("<I", raw, info.header_offset + 18, len(open_ended))
    directory = raw.rindex(b"PK\x05\x06")
    size, offset = struct.unpack_from("<II", raw, directory + 12)
    at = offset + grown
    struct.pack_into("<I", raw, directory + 16, at)
    while at < directory:
        length = struct.unpack_from("<H", raw, at + 28)[0]
        position = struct.unpack_from("<I", raw, at + 42)[0]
        if position > info.header_offset:
            struct.pack_into("<I", raw, at + 42, position + grown)
        else:
            struct.pack_into("<I", raw, at + 20, len(open_ended))
        at += 46 + length
    path.write_bytes(bytes(raw))
    assert size
    assert "final block" in refusal(path)


def test_large_entries_come_whole(tmp_path: Path) -> None:
    """A file that inflates to several chunks from its last piece loses nothing."""
    data = bytes(9 << 20)
    with open_wheel(make_wheel(tmp_path, files={"demo/zeros.bin": data})) as wheel:
        entry = next(entry for entry in wheel.entries if entry.name == "demo/zeros.bin")
        assert sum(len(chunk) for chunk in wheel.chunks(entry)) == len(data)


def test_foreign_names_are_a_usage_error(tmp_path: Path) -> None:
    """What is not called like a wheel is not read as one."""
    path = tmp_path / "demo.zip"
    path.write_bytes(b"PK")
    with pytest.raises(UsageError, match="not the file name"), open_wheel(path):
        pass


def test_dist_info_of_another_project_is_refused(tmp_path: Path) -> None:
    """The file name and the metadata folder must tell of the same project."""
    path = make_wheel(tmp_path)
    other = path.rename(tmp_path / "other-1.0-py3-none-any.whl")
    assert "is not that of other" in refusal(other)
