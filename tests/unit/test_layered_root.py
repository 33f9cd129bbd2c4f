"""Layers of anybody's image on disk: whiteouts, links, what replaces what, and nothing outside of the folder."""

from __future__ import annotations

import io
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from envlock.errors import IntegrityError
from envlock.formats.layer_reader import read_layer
from envlock.image.layered_root import unpack_layers
from envlock.image.root import remove


def layer(*members: tuple[str, str, str | bytes, int] | tuple[str, str, str | bytes]) -> bytes:
    """Return a tar of (kind, path, content or target[, mode])."""
    raw = io.BytesIO()
    kinds = {
        "f": tarfile.REGTYPE,
        "d": tarfile.DIRTYPE,
        "l": tarfile.SYMTYPE,
        "h": tarfile.LNKTYPE,
        "c": tarfile.CHRTYPE,
    }
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for kind, path, content, *mode in members:
            member = tarfile.TarInfo(path)
            member.type = kinds.get(kind, tarfile.CHRTYPE)
            member.mode = mode[0] if mode else (0o755 if kind == "d" else 0o644)
            member.uid = 1234
            if isinstance(content, bytes):
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            else:
                member.linkname = content
                archive.addfile(member)
    return raw.getvalue()


def unpacked(folder: Path, *layers: bytes) -> Path:
    """Unpack layers into a new folder."""
    root = folder / "root"
    unpack_layers((read_layer([raw], where="layer") for raw in layers), root)
    return root


def tree(root: Path) -> dict[str, str]:
    """What is there: text of files, targets of links."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = path.read_text()
    return found


def test_upper_layers_win(tmp_path: Path) -> None:
    """A file over a file, a folder over a file, a file or link over a folder; parents are made."""
    root = unpacked(
        tmp_path,
        layer(("f", "a", b"1"), ("f", "b", b"1"), ("f", "deep/er/c", b"1"), ("f", "gone/d", b"1")),
        layer(("f", "a", b"2"), ("f", "b/e", b"2"), ("f", "deep", b"2"), ("l", "gone", "deep")),
    )
    assert tree(root) == {"a": "2", "b/e": "2", "deep": "2", "gone": "-> deep"}


def test_whiteouts_hide_lower_layers_only(tmp_path: Path) -> None:
    """Of files and folders, and opaque ones, wherever in the layer they stand (image-spec 1.1, layer.md)."""
    root = unpacked(
        tmp_path,
        layer(("f", "a", b"1"), ("f", "b/c", b"1"), ("f", "b/d", b"1"), ("f", "o/x", b"1"), ("f", "o/y/z", b"1")),
        layer(
            ("f", "b/c", b"2"),
            ("f", ".wh.a", b""),
            ("f", ".wh.b", b""),
            ("f", "o/y/w", b"2"),
            ("f", "o/.wh..wh..opq", b""),
        ),
    )
    assert tree(root) == {"b/c": "2", "o/y/w": "2"}


def test_links_of_the_image_are_followed_inside_of_it(tmp_path: Path) -> None:
    """As a merged /usr needs it: what a later layer has below /lib comes to stand in /usr/lib."""
    root = unpacked(
        tmp_path,
        layer(("d", "usr/lib", ""), ("l", "lib", "/usr/lib"), ("l", "up", "../../usr"), ("f", "usr/lib/old", b"1")),
        layer(("f", "lib/new", b"2"), ("f", "up/lib/newer", b"2"), ("f", "lib/.wh.old", b""), ("h", "copy", "lib/new")),
    )
    assert tree(root) == {
        "copy": "2", "lib": "-> /usr/lib", "up": "-> ../../usr", "usr/lib/new": "2", "usr/lib/newer": "2"
    }  # fmt: skip
    assert (root / "copy").samefile(root / "usr/lib/new")


def test_nothing_is_written_outside(tmp_path: Path) -> None:
    """Not through a link, a circle of links, or more links than Linux follows; a later layer's hard link neither."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text("precious")
    chain = [("l", f"chain{number}", f"chain{number + 1}") for number in range(60)]
    root = unpacked(
        tmp_path,
        layer(
            ("l", "out", str(victim)), ("l", "one", "two"), ("l", "two", "one"), *chain, ("l", "chain60", str(victim))
        ),
        layer(("f", "out/file", b"x"), ("f", "one/file", b"x"), ("f", "chain0/file", b"x"), ("f", "out/.wh.file", b"")),
    )
    assert (victim / "file").read_text() == "precious"
    assert [path.name for path in victim.iterdir()] == ["file"]
    assert root.is_dir()


def test_a_hard_link_to_nothing(tmp_path: Path) -> None:
    """Named; nothing stays."""
    with pytest.raises(IntegrityError, match="bad-layer"):
        unpacked(tmp_path, layer(("h", "copy", "/etc/passwd")))
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_a_hard_linked_one(tmp_path: Path) -> None:
    """The other name keeps its bytes."""
    root = unpacked(tmp_path, layer(("f", "a", b"1"), ("h", "b", "a")), layer(("f", "a", b"2")))
    assert tree(root) == {"a": "2", "b": "1"}


def test_modes(tmp_path: Path) -> None:
    """No privilege is lent, everything can be read by its owner, devices are left out; a folder's last mode counts."""
    root = unpacked(
        tmp_path,
        layer(("f", "su", b"1", 0o4755), ("f", "secret", b"1", 0), ("d", "d", "", 0o2755), ("c", "dev/null", "")),
        layer(("d", "d", "", 0o500)),
    )
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in root.iterdir()}
    assert modes == {"su": 0o755, "secret": 0o400, "d": 0o700}
    remove(root)


def test_a_damaged_layer_leaves_nothing(tmp_path: Path) -> None:
    """The digest is known only at the end."""
    raw = layer(("f", "a", b"1"))

    def entries() -> Iterator[object]:
        yield read_layer([raw], where="layer", digest="sha256:" + "0" * 64)

    with pytest.raises(IntegrityError, match="digest-mismatch"):
        unpack_layers(entries(), tmp_path / "root")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
