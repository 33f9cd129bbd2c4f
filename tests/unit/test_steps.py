"""What run steps changed, normalised: the same changes are the same layer, and nothing of the run is in it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path
from tarfile import TarInfo

import pytest

from envlock.errors import IntegrityError, UsageError
from envlock.formats.tar import Entry
from envlock.image.layer import Layer, write_layer
from envlock.locking.steps import read_difference
from tests.unit.debs import folder, link, member, tar

Members = Iterable[tuple[TarInfo, bytes]]
TIMED = b"\xa7\r\r\n" + bytes(4) + b"time" + b"size" + b"code"
HASHED = b"\xa7\r\r\n" + b"\x01\0\0\0" + b"hashhash" + b"code"


def written(tmp_path: Path, members: Members) -> Path:
    path = tmp_path / "difference.tar"
    path.write_bytes(tar(members))
    return path


def read(path: Path) -> list[tuple[Entry, bytes]]:
    with read_difference(path) as found:
        return [(entry, b"".join(body()) if body else b"") for entry, body in found.members()]


def paths(tmp_path: Path, *names: str) -> list[str]:
    return [entry.path for entry, _ in read(written(tmp_path, [member(name, b"x") for name in names]))]


def layer(tmp_path: Path, members: Members) -> Layer:
    with read_difference(written(tmp_path, members)) as found:
        return write_layer(tmp_path / "layer", found.members())


def test_times_names_and_order_of_a_run_are_lost(tmp_path: Path) -> None:
    """Modes, owners and links stay; two runs that changed the same are one layer."""
    first = [
        folder("etc/", mtime=1),
        member("etc/a", b"1", mtime=1, uid=100, gid=65534, uname="ana", gname="nogroup", mode=0o4755),
        member("etc/.wh.b", mtime=2),
        link("etc/c", "a"),
    ]
    second = [
        link("./etc/c", "a"),
        member("./etc/.wh.b", mtime=9, mode=0),
        member("./etc/a", b"1", mtime=8, uid=100, gid=65534, uname="ben", mode=0o4755),
        folder("./etc/", mtime=7),
    ]
    assert layer(tmp_path, first) == layer(tmp_path, second)
    assert read(written(tmp_path, second)) == [
        (Entry(path="etc", kind="dir", mode=0o755), b""),
        (Entry(path="etc/.wh.b", kind="file", mode=0), b""),
        (Entry(path="etc/a", kind="file", mode=0o4755, uid=100, gid=65534, size=1), b"1"),
        (Entry(path="etc/c", kind="symlink", mode=0o777, link="a"), b""),
    ]


def test_what_containers_leave_behind_is_left_out(tmp_path: Path) -> None:
    """Host names, addresses, temporary files, caches and logs; folders of logs and caches stay."""
    gone = [
        ".dockerenv", "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/machine-id", "etc/mtab",
        "var/lib/dbus/machine-id", "run/lock/a", "tmp/a", "var/tmp/a", "dev/console", "proc/1", "sys/a",
        "var/log/dpkg.log", "var/cache/apt/pkgcache.bin", "var/lib/apt/lists/x_InRelease",
        "var/cache/ldconfig/aux-cache",
        "etc/.wh.hostname", "run/.wh.a", "var/lib/apt/lists/.wh.old", ".wh..wh.plnk",
    ]  # fmt: skip
    kept = [
        "etc/hosts.allow",
        "etc/machine-id.d",
        "runner",
        "usr/tmp/a",
        "var/.wh.cache",
        "var/lib/apt/extended_states",
    ]
    assert paths(tmp_path, *gone, *kept) == sorted(kept)
    folders = [folder(name) for name in ("proc/", "run/", "run/lock/", "tmp/", "var/log/nginx/", "dev/")]
    assert [entry.path for entry, _ in read(written(tmp_path, folders))] == ["run", "tmp", "var/log/nginx"]


def test_bytecode_that_holds_a_time_is_left_out(tmp_path: Path) -> None:
    """Its source has another time in the layer; bytecode judged by its source's hash stays."""
    members = [
        member("usr/a/__pycache__/a.pyc", TIMED),
        link("usr/a/__pycache__/c.pyc", "usr/a/__pycache__/a.pyc", hard=True),
        member("usr/a/__pycache__/b.pyc", HASHED),
        member("usr/a/__pycache__/.wh.d.pyc"),
    ]
    found = [entry.path for entry, _ in read(written(tmp_path, members))]
    assert found == ["usr/a/__pycache__/.wh.d.pyc", "usr/a/__pycache__/b.pyc"]


def test_hard_links_stay_and_the_first_name_has_the_content(tmp_path: Path) -> None:
    """Whichever the Engine saw first; also where that one is left out."""
    entries = read(written(tmp_path, [member("b", b"1"), link("a", "b", hard=True), link("c", "./b", hard=True)]))
    assert [(entry.path, entry.kind, entry.link, body) for entry, body in entries] == [
        ("a", "file", "", b"1"),
        ("b", "hardlink", "a", b""),
        ("c", "hardlink", "a", b""),
    ]
    entries = read(written(tmp_path, [member("tmp/b", b"1"), link("x", "tmp/b", hard=True)]))
    assert [(entry.path, entry.kind, body) for entry, body in entries] == [("x", "file", b"1")]


def test_an_opaque_folder_stays_opaque(tmp_path: Path) -> None:
    """It hides what lower layers have below it."""
    assert paths(tmp_path, "etc/x/.wh..wh..opq", "etc/x/a") == ["etc/x/.wh..wh..opq", "etc/x/a"]


def test_names_that_are_not_ascii(tmp_path: Path) -> None:
    """They are sorted by their UTF-8 bytes."""
    names = ["é", "z", "日本", "\U0001f600"]
    assert paths(tmp_path, *reversed(names)) == sorted(names, key=str.encode)


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    """By name, for a layer of ours could not hold them; below /dev and /run they are nobody's."""
    with pytest.raises(UsageError, match="step-leaves-device") as caught:
        read(written(tmp_path, [member("opt/x", type=kind)]))
    assert caught.value.where == "/opt/x"
    assert read(written(tmp_path, [member("run/x", type=kind), member("dev/x", type=kind)])) == []


@pytest.mark.parametrize(
    "change",
    [
        member("opt/venv/lib/python3.11/site-packages/a.py", b"x"),
        folder("opt/venv/"),
        member("opt/.wh.venv"),
        member("opt/.wh..wh..opq"),
        member(".wh.opt"),
        member(".wh..wh..opq"),
        link("opt", "srv"),
        member("opt/envlock/pylock.a.toml"),
    ],
)
def test_the_locked_environment_stays_in_sight(tmp_path: Path, change: tuple[TarInfo, bytes]) -> None:
    """The layer of steps is above it, and was made where it is not yet: neither files nor whiteouts may reach it."""
    with pytest.raises(UsageError) as failure, read_difference(written(tmp_path, [change])):
        pass
    assert failure.value.reference == "step-in-the-way"


def test_the_rest_of_opt_is_free(tmp_path: Path) -> None:
    """Vendors install there."""
    assert paths(tmp_path, "opt/venv2/a", "opt/.wh.old", "opt/nvidia/.wh..wh..opq") == [
        "opt/.wh.old",
        "opt/nvidia/.wh..wh..opq",
        "opt/venv2/a",
    ]
    read(written(tmp_path, [folder("opt/")]))


def test_steps_may_change_nothing(tmp_path: Path) -> None:
    """That is a layer too: an empty one."""
    assert read(written(tmp_path, [])) == []


def test_lost_capabilities_are_said(tmp_path: Path) -> None:
    """A layer cannot hold them, and nobody should find that out in production."""
    info, body = member("usr/bin/ping", b"x")
    info.pax_headers = {"SCHILY.xattr.security.capability": "\x01\x00\x00\x02"}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(body))
    path = tmp_path / "difference.tar"
    path.write_bytes(buffer.getvalue())
    with read_difference(path) as found:
        assert found.warnings == (
            "/usr/bin/ping loses its file capabilities: layers hold modes, owners and links alone",
        )


@pytest.mark.parametrize(
    "raw",
    [
        b"no archive",
        tar([member("a", b"x" * 2000)])[:1024],
        tar([member("../a", b"x")]),
        tar([link("a", "b", hard=True)]),
    ],
    ids=["noise", "cut", "climbing", "link-to-nothing"],
)
def test_a_broken_archive_is_said(tmp_path: Path, raw: bytes) -> None:
    """Nothing half-read becomes a layer."""
    path = tmp_path / "difference.tar"
    path.write_bytes(raw)
    with pytest.raises(IntegrityError, match="bad-layer"):
        read(path)
