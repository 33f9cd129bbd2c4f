"""Roots on disk are complete or not there, and nothing is written outside of them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from envlock.errors import IntegrityError
from envlock.formats.tar import Entry, Kind, Member
from envlock.image.root import remove, unpack


def entry(path: str, kind: Kind, mode: int = 0o644, link: str = "", body: bytes = b"") -> Member:
    made = Entry(path=path, kind=kind, mode=mode, link=link, size=len(body), uid=7, gid=7)
    return made, (lambda: iter([body])) if kind == "file" else None


SAMPLE = [
    entry("bin", "symlink", link="usr/bin"),
    entry("closed", "dir", 0o500),
    entry("closed/file", "file", 0o400, body=b"x"),
    entry("tmp", "dir", 0o1777),
    entry("usr", "dir", 0o755),
    entry("usr/bin", "dir", 0o2755),
    entry("usr/bin/su", "file", 0o4755, body=b"su"),
    entry("usr/bin/su2", "hardlink", link="usr/bin/su"),
    entry("usr/dangling", "symlink", link="/nowhere"),
]


def test_files_links_and_modes_come_out(tmp_path: Path) -> None:
    """Without setuid and setgid: a root on this machine lends nobody's rights."""
    old = os.umask(0o077)
    try:
        unpack(SAMPLE, tmp_path / "roots" / "one")
    finally:
        os.umask(old)
    root = tmp_path / "roots" / "one"
    assert [each.name for each in (tmp_path / "roots").iterdir()] == ["one"]
    modes = {path: stat.S_IMODE((root / path).lstat().st_mode) for path in ("", "closed", "tmp", "usr/bin/su")}
    assert modes == {"": 0o755, "closed": 0o500, "tmp": 0o1777, "usr/bin/su": 0o755}
    assert (root / "bin").readlink() == Path("usr/bin")
    assert (root / "usr/bin/su2").samefile(root / "usr/bin/su")
    remove(root)
    assert not root.exists()


@pytest.mark.parametrize(
    "bad",
    [
        [entry("../out", "file")],
        [entry("/out", "file")],
        [entry("a//b", "file")],
        [entry("link", "symlink", link=".."), entry("link/out", "file", body=b"x")],
        [entry("missing/file", "file")],
        [entry("a", "file"), entry("a", "file")],
        [entry("a", "file"), entry("a", "symlink", link="b")],
        [entry("a", "hardlink", link="../../etc/passwd")],
        [entry("s", "symlink", link="/etc/passwd"), entry("t", "hardlink", link="s")],
    ],
)
def test_hostile_members_leave_nothing_behind(tmp_path: Path, bad: list[Member]) -> None:
    """Neither inside nor outside of the folder."""
    inner = tmp_path / "inner"
    with pytest.raises(IntegrityError, match="unsafe-path"):
        unpack(bad, inner / "root")
    assert list(inner.iterdir()) == []
    assert list(tmp_path.iterdir()) == [inner]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interrupted_root_is_not_there(tmp_path: Path, error: type[BaseException]) -> None:
    """Ctrl-C and a full disk leave no half root."""

    def members() -> Iterator[Member]:
        yield from SAMPLE
        raise error

    with pytest.raises(error):
        unpack(members(), tmp_path / "root")
    assert list(tmp_path.iterdir()) == []


def test_the_root_of_another_process_stays(tmp_path: Path) -> None:
    """Where two make the same root at once, the first one's is kept and ours goes."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "theirs").touch()
    unpack(SAMPLE, root)
    assert [each.name for each in tmp_path.iterdir()] == ["root"]
    assert (root / "theirs").exists()
