"""Debian packages, well-formed and hostile."""

from __future__ import annotations

import gzip
import lzma
import sys
import tarfile
from pathlib import Path

import pytest

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from envlock.errors import IntegrityError
from envlock.formats.deb import data_members, read_control
from envlock.formats.tar import Entry
from tests.unit.debs import ar, deb_bytes, folder, link, member, tar

CONTROL = ("control.tar.xz", lzma.compress(tar([member("./control", "Package: a\n")])))
MARK = ("debian-binary", b"2.0\n")
WIDE = b"\x28\xb5\x2f\xfd\x00\xa8" + b"\x00" * 40
"""A Zstandard frame that asks for a window of 2 GiB (RFC 8878, 3.1.1.1.2)."""


def read(path: Path) -> list[tuple[Entry, bytes]]:
    return [(entry, content.read() if content else b"") for entry, content in data_members(path)]


def write(tmp_path: Path, raw: bytes) -> Path:
    path = tmp_path / "sample_1.0_amd64.deb"
    path.write_bytes(raw)
    return path


def test_modes_owners_and_links_are_kept(tmp_path: Path) -> None:
    """Setuid, sticky and group bits, numeric owners, symbolic and hard links come out as they are."""
    path = write(
        tmp_path,
        deb_bytes(
            data=[
                folder("./"),
                folder("./tmp/", 0o1777),
                folder("./var/local/", 0o2775, gid=50, gname="staff"),
                member("./bin/su", b"su", mode=0o4755),
                link("./bin/sh", "dash"),
                link("./bin/su2", "./bin/su", hard=True),
                member("./usr/share/Főtanúsítvány.crt", b"x" * 300_000),
            ]
        ),
    )
    found = read(path)
    assert [entry for entry, _ in found] == [
        Entry(path="tmp", kind="dir", mode=0o1777),
        Entry(path="var/local", kind="dir", mode=0o2775, gid=50),
        Entry(path="bin/su", kind="file", mode=0o4755, size=2),
        Entry(path="bin/sh", kind="symlink", mode=0o777, link="dash"),
        Entry(path="bin/su2", kind="hardlink", mode=0o644, link="bin/su"),
        Entry(path="usr/share/Főtanúsítvány.crt", kind="file", mode=0o644, size=300_000),
    ]
    assert found[2][1] == b"su"
    assert found[5][1] == b"x" * 300_000


def test_control_files_are_read_by_name(tmp_path: Path) -> None:
    """Those that envlock uses are returned, others are left."""
    path = write(tmp_path, deb_bytes(control={"postinst": "#!/bin/sh\n", "templates": "unused"}))
    control = read_control(path)
    assert sorted(control) == ["control", "postinst"]
    assert control["control"].startswith(b"Package: sample\n")


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [("", bytes), (".gz", gzip.compress), (".xz", lzma.compress), (".zst", zstd.compress)],
)
def test_every_compression_of_the_releases_is_read(tmp_path: Path, suffix: str, compress: type[bytes]) -> None:
    """None, gzip and xz of Debian, Zstandard of Ubuntu."""
    data = tar([member("./a", b"1"), member("./b", b"2" * 100_000)])
    path = write(tmp_path, ar([MARK, CONTROL, ("data.tar" + suffix, compress(data))]))
    assert [(entry.path, len(body)) for entry, body in read(path)] == [("a", 1), ("b", 100_000)]


@pytest.mark.parametrize(
    "bad",
    [
        member("../escape", b"x"),
        member("./a/../../escape", b"x"),
        member("/etc/passwd", b"x"),
        member("./a//b", b"x"),
        member("./a/./b", b"x"),
        link("./a", "../../etc/passwd", hard=True),
        link("./a", "", hard=False),
        member("./dev/sda", type=tarfile.BLKTYPE),
        member("./dev/null", type=tarfile.CHRTYPE),
        member("./pipe", type=tarfile.FIFOTYPE),
    ],
    ids=lambda each: each[0].name,
)
def test_hostile_members_are_refused(tmp_path: Path, bad: tuple[tarfile.TarInfo, bytes]) -> None:
    """Paths that leave the root, devices and pipes stop the reading; the package is named."""
    path = write(tmp_path, deb_bytes(data=[bad]))
    with pytest.raises(IntegrityError, match="bad-deb") as caught:
        read(path)
    assert caught.value.where == path.name


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"PK\x03\x04 not a package",
        ar([CONTROL]),
        ar([MARK, CONTROL]),
        ar([MARK, CONTROL, ("data.tar.zst", b"no zstd at all")]),
        ar([MARK, CONTROL, ("data.tar.zst", zstd.compress(tar([member("./a", b"1" * 9000)]))[:-4])]),
        ar([MARK, CONTROL, ("data.tar.zst", WIDE)]),
        ar([MARK, CONTROL, ("data.tar.bz2", b"x")]),
        ar([MARK, CONTROL, ("data.tar.xz", b"no xz at all")]),
        ar([MARK, CONTROL, ("data.tar.xz", lzma.compress(tar([member("./a", b"1" * 9000)]))[:-40])]),
        ar([MARK, CONTROL, ("data.tar.xz", lzma.compress(tar([member("./a", b"1" * 9000)])[:5000]))]),
        ar([MARK, CONTROL])[:-1] + b"\0" * 60,
    ],
    ids=[
        "empty",
        "zip",
        "no-mark",
        "no-data",
        "no-zst",
        "cut-zst",
        "wide-zst",
        "bz2",
        "no-xz",
        "cut-xz",
        "cut-tar",
        "bad-header",
    ],
)
def test_damaged_packages_are_refused(tmp_path: Path, raw: bytes) -> None:
    """Whatever is cut short or of another format is an error, never an empty package."""
    with pytest.raises(IntegrityError, match="bad-deb"):
        read(write(tmp_path, raw))


def test_a_package_without_control_is_refused(tmp_path: Path) -> None:
    """The control file is what makes it a package."""
    controls = lzma.compress(tar([member("./postinst", "x")]))
    path = write(tmp_path, ar([MARK, ("control.tar.xz", controls), ("data.tar.xz", lzma.compress(tar([])))]))
    with pytest.raises(IntegrityError, match="no control file"):
        read_control(path)


def test_a_control_file_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """Its content would be somewhere else."""
    controls = lzma.compress(tar([link("./control", "/etc/passwd")]))
    path = write(tmp_path, ar([MARK, ("control.tar.xz", controls), ("data.tar.xz", lzma.compress(tar([])))]))
    with pytest.raises(IntegrityError, match="no plain file"):
        read_control(path)
