"""Folders to a container and back."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from envlock.adapters.archives import archive, replace_by_archive, state_of


def test_an_archive_holds_the_folder_of_user_0(tmp_path: Path) -> None:
    """Sorted, with modes and links, whoever owns it here; the same each time."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "run").write_bytes(b"x" * 600)
    (tmp_path / "b" / "run").chmod(0o755)
    (tmp_path / "a").symlink_to("b/run")
    raw = b"".join(archive(tmp_path))
    assert raw == b"".join(archive(tmp_path))
    with tarfile.open(fileobj=io.BytesIO(raw)) as opened:
        rows = [(m.name, m.type, m.uid, m.linkname, m.size) for m in opened]
        assert rows == [
            ("a", tarfile.SYMTYPE, 0, "b/run", 0),
            ("b", tarfile.DIRTYPE, 0, "", 0),
            ("b/run", tarfile.REGTYPE, 0, "", 600),
        ]
        assert opened.getmember("b/run").mode == 0o755


def test_the_state_follows_every_file(tmp_path: Path) -> None:
    """Another size, another mode, another file."""
    (tmp_path / "one").write_text("1")
    before = state_of(tmp_path)
    assert state_of(tmp_path) == before
    (tmp_path / "one").chmod(0o600)
    changed = state_of(tmp_path)
    (tmp_path / "two").write_text("2")
    assert len({before, changed, state_of(tmp_path)}) == 3


def test_what_comes_back_stays_in_its_folder(tmp_path: Path) -> None:
    """Links, devices and climbing paths are left out; a link that was there before is not followed."""
    outside = tmp_path / "outside"
    outside.write_text("mine")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "old").write_text("old")
    (folder / "link").symlink_to(outside)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        for name, kind, body in (
            ("build", tarfile.DIRTYPE, b""),
            ("build/link", tarfile.REGTYPE, b"theirs"),
            ("build/../outside", tarfile.REGTYPE, b"theirs"),
            ("build/other", tarfile.SYMTYPE, b""),
            ("build/null", tarfile.CHRTYPE, b""),
            ("build/deep/run", tarfile.REGTYPE, b"#!"),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, len(body), str(outside) if kind == tarfile.SYMTYPE else ""
            info.mode = 0o4777 if name.endswith("run") else 0o644
            made.addfile(info, io.BytesIO(body))
    raw = buffer.getvalue()
    chunks = iter([raw[start : start + 700] for start in range(0, len(raw), 700)])
    replace_by_archive(folder, chunks)
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) == ["deep", "deep/run", "link"]
    assert (folder / "link").read_text() == "theirs"
    assert (folder / "deep" / "run").stat().st_mode & 0o7777 == 0o755
    assert outside.read_text() == "mine"
    assert next(chunks, None) is None
