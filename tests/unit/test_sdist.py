"""Unpacking an sdist: what is refused, and that nothing of this machine shows in what comes out."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from envlock.errors import IntegrityError
from envlock.formats import sdist as module
from envlock.formats.sdist import EPOCH, unpack_sdist


def file(name: str, data: bytes = b"data", mode: int = 0o600) -> tuple[tarfile.TarInfo, bytes]:
    """A plain file of a tar."""
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = len(data), mode, 1234567890
    return info, data


def special(name: str, kind: bytes, link: str = "") -> tuple[tarfile.TarInfo, bytes]:
    """A member that is no file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info, b""


def tar(folder: Path, *members: tuple[tarfile.TarInfo, bytes], name: str = "demo-1.0.tar.gz") -> Path:
    """Write a tar of these members."""
    path = folder / name
    with tarfile.open(path, "w:gz") as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return path


def zipped(folder: Path, members: dict[str, bytes], modes: dict[str, int] | None = None) -> Path:
    """Write a zip of these members."""
    path = folder / "demo-1.0.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (modes or {}).get(name, 0o100644) << 16
            archive.writestr(info, data)
    return path


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_modes_and_times_are_fixed(tmp_path: Path, umask: int) -> None:
    """Whatever the archive and the umask say: 0644 or 0755, folders 0755, one time for all."""
    source = tar(
        tmp_path,
        special("demo-1.0", tarfile.DIRTYPE),
        file("demo-1.0/setup.py", b"setup\n"),
        file("demo-1.0/deep/er/run.sh", mode=0o700),
    )
    before = os.umask(umask)
    try:
        top = unpack_sdist(source, tmp_path / "out")
    finally:
        os.umask(before)
    assert top == tmp_path / "out" / "demo-1.0"
    assert (top / "setup.py").read_bytes() == b"setup\n"
    found = {str(path.relative_to(top)): oct(path.stat().st_mode & 0o7777) for path in sorted(top.rglob("*"))}
    assert found == {"deep": "0o755", "deep/er": "0o755", "deep/er/run.sh": "0o755", "setup.py": "0o644"}
    assert {path.stat().st_mtime for path in (top, *top.rglob("*"))} == {EPOCH}


def test_zip(tmp_path: Path) -> None:
    """Old sdists are zips."""
    source = zipped(tmp_path, {"demo-1.0/": b"", "demo-1.0/a": b"1", "demo-1.0/b": b"2"}, {"demo-1.0/b": 0o100755})
    top = unpack_sdist(source, tmp_path / "out")
    assert [(path.name, path.read_bytes(), path.stat().st_mode & 0o111) for path in sorted(top.iterdir())] == [
        ("a", b"1", 0),
        ("b", b"2", 0o111),
    ]


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ([file("demo-1.0/../../evil")], "'demo-1.0/../../evil' would leave its folder"),
        ([file("/etc/evil")], "'/etc/evil' would leave its folder"),
        ([file("demo-1.0//evil")], "'demo-1.0//evil' would leave its folder"),
        ([file("demo-1.0\\..\\evil")], "'demo-1.0\\\\..\\\\evil' would leave its folder"),
        ([special("demo-1.0/l", tarfile.SYMTYPE, "/etc")], "'demo-1.0/l' is a link or a device"),
        ([special("demo-1.0/l", tarfile.LNKTYPE, "demo-1.0/a")], "'demo-1.0/l' is a link or a device"),
        ([special("demo-1.0/l", tarfile.CHRTYPE)], "'demo-1.0/l' is a link or a device"),
        ([special("demo-1.0/l", tarfile.FIFOTYPE)], "'demo-1.0/l' is a link or a device"),
        ([file("demo-1.0/a"), file("demo-1.0/a")], "'demo-1.0/a' is there twice"),
        ([file("demo-1.0/a"), file("demo-1.0/a/b")], "'demo-1.0/a/b' is there twice"),
        ([file("demo-1.0/a"), file("other/a")], "it has 2 folders at its top, not one"),
        ([file("setup.py")], "'setup.py' is not in the one folder that an sdist has at its top"),
        ([], "it has 0 folders at its top, not one"),
    ],
)
def test_hostile_tars(tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]], why: str) -> None:
    """Climbing, links, devices, duplicates and stray files are refused by name, with exit code 4."""
    source = tar(tmp_path, *members)
    with pytest.raises(IntegrityError) as caught:
        unpack_sdist(source, tmp_path / "out")
    assert caught.value.reference == "bad-sdist"
    assert caught.value.what == f"demo-1.0.tar.gz is refused: {why}."
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    ("name", "mode", "why"),
    [
        ("demo-1.0/../../evil", 0o100644, "would leave its folder"),
        ("/etc/evil", 0o100644, "would leave its folder"),
        ("demo-1.0/link", 0o120777, "is a link or a device"),
    ],
)
def test_hostile_zips(tmp_path: Path, name: str, mode: int, why: str) -> None:
    """The same rules hold for a zip."""
    with pytest.raises(IntegrityError, match=why):
        unpack_sdist(zipped(tmp_path, {name: b"x"}, {name: mode}), tmp_path / "out")


def test_damaged_archives(tmp_path: Path) -> None:
    """A truncated download, or no archive at all, is refused."""
    source = tar(tmp_path, file("demo-1.0/a", os.urandom(200_000)))
    source.write_bytes(source.read_bytes()[:100_000])
    with pytest.raises(IntegrityError, match="it is damaged"):
        unpack_sdist(source, tmp_path / "one")
    source.write_bytes(b"<html>no such file</html>")
    with pytest.raises(IntegrityError, match="it is damaged"):
        unpack_sdist(source, tmp_path / "two")
    archive = zipped(tmp_path, {"demo-1.0/a": bytes(1000)})
    archive.write_bytes(archive.read_bytes()[:-30])
    with pytest.raises(IntegrityError, match="it is damaged"):
        unpack_sdist(archive, tmp_path / "three")


def test_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive that fills the disk is stopped before it does."""
    monkeypatch.setattr(module, "_LIMIT", 1 << 20)
    with pytest.raises(IntegrityError, match="it unpacks to more than"):
        unpack_sdist(tar(tmp_path, file("demo-1.0/a", bytes(2 << 20))), tmp_path / "out")


def test_full_disk_is_not_the_archives_fault(tmp_path: Path) -> None:
    """An error of this machine stays what it is."""
    source = tar(tmp_path, file("demo-1.0/a", bytes(1000)))
    with pytest.raises(FileExistsError):
        unpack_sdist(source, tmp_path)
