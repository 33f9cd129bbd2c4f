"""Hand-written tar headers, against the standard library's reader."""

from __future__ import annotations

import hashlib
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envlock.errors import UsageError
from envlock.formats.tar import END, MTIME, Entry, header, padding

names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=60).filter(
    lambda name: name not in (".", "..")
)
paths = st.lists(names, min_size=1, max_size=8).map("/".join)
TYPES = {"file": tarfile.REGTYPE, "dir": tarfile.DIRTYPE, "symlink": tarfile.SYMTYPE, "hardlink": tarfile.LNKTYPE}


def read(archive: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:", encoding="utf-8") as tar:
        return tar.getmembers()


@given(
    path=paths,
    kind=st.sampled_from(sorted(TYPES)),
    link=paths,
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, 65534),
    gid=st.integers(0, 65534),
    size=st.integers(0, 2000),
)
def test_tarfile_reads_back_exactly_what_went_in(
    path: str, kind: str, link: str, mode: int, uid: int, gid: int, size: int
) -> None:
    """Paths of any length and script, every kind of entry."""
    entry = Entry(
        path=path,
        kind=kind,  # type: ignore[arg-type]
        mode=mode,
        uid=uid,
        gid=gid,
        size=size if kind == "file" else 0,
        link=link if "link" in kind else "",
    )
    (info,) = read(header(entry) + b"x" * entry.size + padding(entry.size) + END)
    assert (info.name, info.type, info.linkname) == (path, TYPES[kind], entry.link)
    assert (info.mode, info.uid, info.gid, info.size) == (mode, uid, gid, entry.size)
    assert (info.mtime, info.uname, info.gname) == (MTIME, "", "")


@pytest.mark.parametrize(
    ("path", "blocks"),
    [
        ("a" * 100, 1),
        ("a" * 101, 3),
        ("d" * 155 + "/" + "f" * 100, 1),
        ("d" * 156 + "/" + "f" * 100, 3),
        ("d" * 10 + "/" + "f" * 101, 3),
        ("é", 3),
    ],
)
def test_a_pax_record_is_written_only_where_ustar_cannot_say_it(path: str, blocks: int) -> None:
    """The prefix field takes paths up to 256 bytes that have a slash in the right place."""
    assert len(header(Entry(path=path, kind="file", mode=0o644))) == 512 * blocks


def test_a_directory_that_fills_its_field_keeps_its_slash() -> None:
    """The trailing slash counts, and is never where the path is split."""
    for length in range(90, 110):
        for top in ("", "t/"):
            path = top + "d" * length
            (info,) = read(header(Entry(path=path, kind="dir", mode=0o755)) + END)
            assert (info.name, info.isdir()) == (path, True)


def test_files_from_8_gib_on_have_their_size_in_a_pax_record() -> None:
    """The octal field ends at 8 GiB - 1."""
    for size, blocks in ((8 * 2**30 - 1, 1), (8 * 2**30, 3), (2**40, 3)):
        block = header(Entry(path="big", kind="file", mode=0o644, size=size))
        with tarfile.open(fileobj=io.BytesIO(block), mode="r:") as archive:
            info = archive.next()
        assert info is not None
        assert (info.name, info.size, len(block)) == ("big", size, 512 * blocks)


def test_the_length_of_a_pax_record_counts_its_own_digits() -> None:
    """Around the lengths where a digit more is needed."""
    for length in [*range(84, 104), *range(980, 1005)]:
        path = "p" * length
        assert read(header(Entry(path=path, kind="file", mode=0o644)) + END)[0].name == path


def test_headers_are_golden() -> None:
    """The bytes are part of layer spec v1."""
    entries = [
        Entry(path="opt/venv/bin", kind="dir", mode=0o755),
        Entry(path="opt/venv/bin/python", kind="symlink", mode=0o777, link="/usr/bin/python3.9"),
        Entry(path="opt/venv/" + "x" * 200, kind="file", mode=0o644, size=5, uid=1000, gid=1000),
    ]
    digest = hashlib.sha256(b"".join(map(header, entries))).hexdigest()
    assert digest == "1e7c888be0f740bfdbc56ff71a79c4567d59da6bcb6590caa200c52ca0794c51"


@pytest.mark.parametrize(
    ("entry", "reference"),
    [
        (Entry(path="a\0b", kind="file", mode=0o644), "tar-path"),
        (Entry(path="a\udcff", kind="file", mode=0o644), "tar-path"),
        (Entry(path="a", kind="file", mode=0o644, uid=8**7), "tar-owner"),
    ],
)
def test_what_no_header_can_say_is_an_error(entry: Entry, reference: str) -> None:
    """NUL bytes, bytes that are not UTF-8, huge owners."""
    with pytest.raises(UsageError) as caught:
        header(entry)
    assert caught.value.reference == reference
