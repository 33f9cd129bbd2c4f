"""The streaming reader of layers: the standard library's archives, ours, and hostile ones."""

from __future__ import annotations

import gzip
import hashlib
import io
import sys
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envlock.errors import EnvlockError
from envlock.formats import tar
from envlock.formats.inflate import LIMIT
from envlock.formats.layer_reader import read_layer
from envlock.formats.tar import Entry, Kind
from envlock.image.layer import write_layer

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=40)
paths = st.lists(names.filter(lambda name: name not in (".", "..")), min_size=1, max_size=8).map("/".join)
KINDS: dict[Kind, bytes] = {
    "file": tarfile.REGTYPE,
    "dir": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "hardlink": tarfile.LNKTYPE,
    "other": tarfile.FIFOTYPE,
}


@st.composite
def members(draw: st.DrawFn) -> tuple[Entry, bytes]:
    kind = draw(st.sampled_from(sorted(KINDS)))
    body = draw(st.binary(max_size=2000)) if kind == "file" else b""
    return (
        Entry(
            path=draw(paths),
            kind=kind,
            mode=draw(st.integers(0, 0o7777)),
            uid=draw(st.integers(0, 3_000_000)),
            gid=draw(st.integers(0, 65534)),
            size=len(body),
            link=draw(paths) if "link" in kind else "",
        ),
        body,
    )


def archive(entries: list[tuple[Entry, bytes]], form: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:", format=form, encoding="utf-8") as writer:
        for entry, body in entries:
            info = tarfile.TarInfo(entry.path)
            info.type, info.linkname = KINDS[entry.kind], entry.link
            info.mode, info.uid, info.gid, info.size = entry.mode, entry.uid, entry.gid, entry.size
            writer.addfile(info, io.BytesIO(body))
    return out.getvalue()


def pieces(blob: bytes, size: int = 700) -> Iterator[bytes]:
    return (blob[at : at + size] for at in range(0, len(blob), size))


def read(blob: bytes, size: int = 700) -> list[tuple[Entry, bytes]]:
    return [(entry, b"".join(body)) for entry, body in read_layer(pieces(blob, size), where="layer")]


@given(
    st.lists(members(), max_size=5),
    st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
    st.sampled_from([bytes, lambda raw: gzip.compress(raw, 1), zstd.compress]),
)
def test_archives_of_the_standard_library_are_read_exactly(
    entries: list[tuple[Entry, bytes]], form: int, compress: Callable[[bytes], bytes]
) -> None:
    """Both extended forms, compressed or not, every kind of entry."""
    assert read(compress(archive(entries, form))) == entries


def test_frames_of_zstd_follow_each_other_with_others_that_hold_nothing() -> None:
    """As zstd:chunked and pzstd write them; both digests are checked, in pieces of any size."""
    entries = [(Entry(path="x", kind="file", mode=0o644, size=200_000), bytes(100_000) + b"y" * 100_000)]
    plain = archive(entries, tarfile.PAX_FORMAT)
    empty = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"about"
    blob = empty + zstd.compress(plain[:100_000]) + empty + zstd.compress(plain[100_000:]) + empty
    names = [f"sha256:{hashlib.sha256(raw).hexdigest()}" for raw in (blob, plain)]
    for size in (1, 700, 1 << 20):
        read_again = read_layer(pieces(blob, size), where="layer", digest=names[0], diff_id=names[1])
        assert [(entry, b"".join(body)) for entry, body in read_again] == entries


def test_a_frame_of_zstd_is_inflated_in_bounded_chunks() -> None:
    """Some KiB can hold gigabytes of zeros."""
    size = 64 << 20
    header = tar.header(Entry(path="x", kind="file", mode=0o644, size=size))
    blob = zstd.compress(header) + zstd.compress(bytes(size)) + zstd.compress(tar.END)
    assert len(blob) < 1 << 14
    for _, body in read_layer([blob], where="layer"):
        assert max(map(len, body)) <= LIMIT


def test_a_frame_of_zstd_that_wants_too_much_memory_is_refused() -> None:
    """More than the zstd command itself takes without being told to."""
    greedy: dict[int, int] = {zstd.CompressionParameter.window_log: 28, zstd.CompressionParameter.checksum_flag: 1}
    stream = zstd.ZstdCompressor(options=greedy)
    blob = stream.compress(tar.END) + stream.flush()
    with pytest.raises(EnvlockError, match="is not Zstandard") as caught:
        read(blob)
    assert caught.value.reference == "bad-layer"


def test_a_layer_of_ours_is_read_and_both_digests_are_checked(tmp_path: Path) -> None:
    """Hundreds of members, in pieces of any size; bodies may be left unread."""
    entries = [(Entry(path=f"f{n}", kind="file", mode=0o644, size=n), b"x" * n) for n in range(0, 3000, 37)]
    layer = write_layer(tmp_path / "layer", [(entry, partial(pieces, body)) for entry, body in entries])
    blob = (tmp_path / "layer").read_bytes()
    for size in (1, 100, 1 << 16):
        assert read(blob, size) == entries
    found = read_layer(pieces(blob), where="layer", digest=layer.digest, diff_id=layer.diff_id)
    assert [entry for entry, _ in found] == [entry for entry, _ in entries]


@pytest.mark.parametrize("name", ["digest", "diff_id"])
def test_another_digest_is_an_integrity_error(name: str) -> None:
    """Whichever of the two was promised."""
    blob = gzip.compress(archive([], tarfile.PAX_FORMAT))
    promised: dict[str, Any] = {name: f"sha256:{'0' * 64}"}
    with pytest.raises(EnvlockError) as caught:
        list(read_layer([blob], where="layer", **promised))
    found = hashlib.sha256(blob if name == "digest" else gzip.decompress(blob)).hexdigest()
    assert (caught.value.reference, caught.value.found) == ("digest-mismatch", f"sha256:{found}")


def test_a_part_of_a_body_may_be_read() -> None:
    """The rest is skipped when the next entry is asked for."""
    blob = archive(
        [
            (Entry(path="a", kind="file", mode=0o644, size=5000), b"a" * 5000),
            (Entry(path="b", kind="file", mode=0o644, size=1), b"b"),
        ],
        tarfile.PAX_FORMAT,
    )
    seen = []
    for entry, body in read_layer(pieces(blob), where="layer"):
        seen.append((entry.path, next(body)[:1]))
    assert seen == [("a", b"a"), ("b", b"b")]


def test_paths_are_normalised() -> None:
    """Leading ./ and / name the same file."""
    entry = Entry(path="./usr//lib/./x", kind="file", mode=0o644)
    assert [found.path for found, _ in read(tar.header(entry) + tar.END)] == ["usr/lib/x"]


FILE = Entry(path="x", kind="file", mode=0o644, size=600)
PAX = Entry(path="é" * 10, kind="file", mode=0o644)
BODY = bytes(600) + tar.padding(600)
HOSTILE = {
    "climbing": (tar.header(Entry(path="a/../../x", kind="file", mode=0o644)) + tar.END, "bad-layer"),
    "truncated body": (tar.header(FILE) + b"x" * 512, "bad-layer"),
    "truncated header": (tar.header(FILE)[:300], "bad-layer"),
    "truncated padding": (tar.header(FILE) + BODY[:-1], "bad-layer"),
    "checksum": (tar.header(FILE).replace(b"x", b"y", 1) + BODY + tar.END, "bad-layer"),
    "gzip cut off": (gzip.compress(tar.header(FILE) + BODY + tar.END)[:-3], "bad-layer"),
    "gzip CRC": (gzip.compress(tar.END)[:-5] + b"\xff" + gzip.compress(tar.END)[-4:], "bad-layer"),
    "rubbish after gzip": (gzip.compress(tar.END) + b"rubbish", "bad-layer"),
    "no zstd": (b"\x28\xb5\x2f\xfd" + bytes(100), "bad-layer"),
    "zstd cut off": (zstd.compress(tar.header(FILE) + BODY + tar.END)[:-3], "bad-layer"),
    "rubbish after zstd": (zstd.compress(tar.END) + b"rubbish", "bad-layer"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_cannot_be_trusted_is_refused(name: str) -> None:
    """With an error of ours, never with another exception."""
    blob, reference = HOSTILE[name]
    with pytest.raises(EnvlockError) as caught:
        read(blob)
    assert caught.value.reference == reference


def test_an_extended_header_of_gigabytes_is_not_read() -> None:
    """Memory is bounded whatever a header claims."""
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 8 * 2**30 - 1
    with pytest.raises(EnvlockError, match="has an extended header of 8589934591 bytes"):
        read(info.tobuf(tarfile.USTAR_FORMAT))


@given(st.integers(0, 2100), st.integers(0, 255))
def test_any_flipped_byte_is_read_or_refused(at: int, value: int) -> None:
    """Never a traceback, never an endless loop."""
    blob = bytearray(tar.header(PAX) + tar.header(FILE) + BODY + tar.END)
    blob[at % len(blob)] = value
    try:
        read(bytes(blob))
    except EnvlockError as error:
        assert error.exit_code in (3, 4)
