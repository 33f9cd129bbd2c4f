"""Layers: what the blob holds, what is refused, and that nothing half-written stays."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from envlock.errors import IntegrityError, UsageError
from envlock.formats.tar import Entry
from envlock.image import layer as module
from envlock.image.layer import Layer, LayerWriter, write_layer

TEXT = b"import numpy\n" * 300


def raw(plain: bytes, level: int = 6) -> bytes:
    encoder = zlib.compressobj(level, wbits=-15)
    return encoder.compress(plain) + encoder.flush()


def file(path: str, size: int) -> Entry:
    return Entry(path=path, kind="file", mode=0o644, size=size)


def pieces(blob: bytes, size: int = 1000) -> Iterator[bytes]:
    return (blob[at : at + size] for at in range(0, len(blob), size))


def check(path: Path, layer: Layer) -> dict[str, bytes]:
    """Compare both digests with what zlib and tarfile read, and return the files."""
    blob = path.read_bytes()
    plain = gzip.decompress(blob)
    assert layer == Layer(
        digest=f"sha256:{hashlib.sha256(blob).hexdigest()}",
        diff_id=f"sha256:{hashlib.sha256(plain).hexdigest()}",
        size=len(blob),
    )
    assert len(plain) % 512 == 0
    files = {}
    with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
        for info in archive:
            body = archive.extractfile(info)
            files[info.name] = body.read() if body else b""
    return files


def test_spliced_streams_are_read_back(tmp_path: Path) -> None:
    """Deflated, stored and empty entries, of sizes around the block lengths."""
    bodies = {f"d/{n}": os.urandom(n) for n in (1, 511, 512, 513, 65535, 65536, 200_000)} | {"e": b"", "t": TEXT}
    with LayerWriter(tmp_path / "layer") as writer:
        writer.add(Entry(path="d", kind="dir", mode=0o755))
        for name, plain in bodies.items():
            for method, stream in ((8, raw(plain)), (0, plain)):
                entry = file(f"{name}-{method}", len(plain))
                writer.spliced(entry, pieces(stream), method=method, crc=zlib.crc32(plain), origin="w.whl")
        layer = writer.finish()
    expected = {f"{name}-{method}": plain for name, plain in bodies.items() for method in (8, 0)}
    assert check(tmp_path / "layer", layer) == {"d": b""} | expected
    assert raw(TEXT) in (tmp_path / "layer").read_bytes()


def test_stored_and_compressed_bodies_are_read_back(tmp_path: Path) -> None:
    """Bodies of several MiB are cut at the same places however they come."""
    big = b"0123456789abcdef" * (1 << 17) + b"end"
    digests = set()
    for cut in (1000, 1 << 16, 1 << 23):
        with LayerWriter(tmp_path / "layer") as writer:
            writer.stored(file("stored", len(big)), pieces(big, cut))
            writer.compressed(file("compressed", len(big)), pieces(big, cut))
            writer.compressed(file("empty", 0), [])
            writer.stored(file("none", 0), [])
            layer = writer.finish()
        assert check(tmp_path / "layer", layer) == {"stored": big, "compressed": big, "empty": b"", "none": b""}
        digests.add(layer.digest)
    assert len(digests) == 1


def test_the_bytes_of_each_kind_of_body_are_golden(tmp_path: Path) -> None:
    """They are part of layer spec v1: another digest is another version of it."""
    body = b"".join(b"%d\n" % n for n in range(300_000))
    found = {}
    with LayerWriter(tmp_path / "spliced") as writer:
        # A block of the one literal "a", written out: no encoder's choice decides this test.
        writer.spliced(file("x/a", 1), [b"\x4b\x04\x00"], method=8, crc=zlib.crc32(b"a"), origin="w.whl")
        writer.spliced(file("x/b", 3), [b"abc"], method=0, crc=zlib.crc32(b"abc"), origin="w.whl")
        found["spliced"] = writer.finish()
    with LayerWriter(tmp_path / "stored") as writer:
        writer.stored(file("x/stored", len(body)), [body])
        found["stored"] = writer.finish()
    with LayerWriter(tmp_path / "compressed") as writer:
        writer.compressed(file("x/compressed", len(body)), [body])
        found["compressed"] = writer.finish()
    assert {name: (layer.digest[7:], layer.diff_id[7:], layer.size) for name, layer in found.items()} == {
        "spliced": (
            "1de9a65aa664c03001cd87a41760cdb6f311f0f9f12b3b13d80982912a4d84a9",
            "9c0ef9fac1854f36617c03053fda354588d189ff9aac7683009cd99aa7ca0623",
            277,
        ),
        "stored": (
            "c79d6317d3e7c7a3239c9948ce8021800bcfb684fab55029a23bdc85703aba21",
            "2ad3608796d219fa85a54edadb5aca2f12357e034fbd47ce11131a91ca12a65c",
            1989194,
        ),
        "compressed": (
            "414b579962d17b90d53c550f522782428be5a0cf3b35298c2df76b918eff041d",
            "97d5fbb65abddc623634becb426236437e3803e1bfc42148ca53ec89db0a014d",
            493107,
        ),
    }


BAD_STREAMS = {
    "no final block": (b"\x00\x05\x00\xfa\xffhello", 8, b"hello", "has no final block"),
    "truncated": (raw(TEXT)[:-4], 8, TEXT, "has no final block"),
    "something after the end": (raw(TEXT) + b"x", 8, TEXT, "goes on after its final block"),
    "a piece after the end": (raw(TEXT).ljust(1000, b"\0") + b"x", 8, TEXT, "goes on after its final block"),
    "shorter": (raw(TEXT[:-1]), 8, TEXT, "ends after 3899 of its 3900 bytes"),
    "longer": (raw(TEXT + b"x"), 8, TEXT, "inflates to more than its 3900 bytes"),
    "a bomb": (raw(bytes(1 << 26)), 8, TEXT, "inflates to more than its 3900 bytes"),
    "another content": (raw(TEXT.upper()), 8, TEXT, "does not have the CRC-32 of its header"),
    "not deflate": (b"\xff" * 50, 8, TEXT, "is not deflate (Error -1 Invalid deflate block found)"),
    "stored, shorter": (TEXT[:-1], 0, TEXT, "ends after 3899 of its 3900 bytes"),
    "stored, longer": (TEXT + b"x", 0, TEXT, "goes on after its 3900 bytes"),
    "stored, another content": (TEXT.upper(), 0, TEXT, "does not have the CRC-32 of its header"),
    "another method": (TEXT, 12, TEXT, "is compressed by method 12"),
    "empty with a stream": (raw(b"x"), 8, b"", "inflates to more than its 0 bytes"),
    "empty with bytes": (b"x", 0, b"", "is not empty, as its header says"),
    "empty without a final block": (b"\x00\x00\x00\xff\xff", 8, b"", "has no final block"),
}


@pytest.mark.parametrize("name", BAD_STREAMS)
def test_a_stream_that_is_not_exactly_what_its_headers_say_is_refused(tmp_path: Path, name: str) -> None:
    """And no file stays behind."""
    stream, method, plain, why = BAD_STREAMS[name]
    with pytest.raises(IntegrityError) as caught, LayerWriter(tmp_path / "layer") as writer:
        writer.spliced(file("bad.py", len(plain)), pieces(stream), method=method, crc=zlib.crc32(plain), origin="w.whl")
        writer.finish()
    assert caught.value.what == f"The stream of bad.py {why}."
    assert caught.value.where == "w.whl"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_nothing_half_written_stays_after_an_exception(tmp_path: Path, error: type[BaseException]) -> None:
    """Ctrl-C included; an older file at the same place is untouched."""
    (tmp_path / "layer").write_bytes(b"old")

    def interrupted() -> Iterator[bytes]:
        yield os.urandom(6 << 20)
        raise error

    with pytest.raises(error), LayerWriter(tmp_path / "layer") as writer:
        writer.stored(file("big", 12 << 20), interrupted())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"layer": b"old"}


def test_leaving_without_finish_drops_the_layer(tmp_path: Path) -> None:
    """Nothing is renamed to its place by accident."""
    with LayerWriter(tmp_path / "layer") as writer:
        writer.add(Entry(path="d", kind="dir", mode=0o755))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_error_that_names_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever the hashing thread meets it."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module._Sink, "_write", full)
    with pytest.raises(UsageError) as caught, LayerWriter(tmp_path / "layer") as writer:
        for number in range(20):
            writer.stored(file(f"{number}", 3 << 20), [bytes(3 << 20)])
        writer.finish()
    assert (caught.value.reference, caught.value.found) == ("write-failed", "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_body_of_another_size_than_announced_is_a_bug_that_is_told(tmp_path: Path) -> None:
    """The archive would be unreadable after it."""
    with pytest.raises(ValueError, match="a body of 3 bytes where 4 were announced"):
        write_layer(tmp_path / "layer", [(file("x", 4), lambda: iter([b"abc"]))])
    assert list(tmp_path.iterdir()) == []


def test_many_entries_without_bodies_share_members_of_bounded_size(tmp_path: Path) -> None:
    """Their headers are encoded some KiB at a time, since the encoder's work grows with the square."""
    layer = write_layer(tmp_path / "layer", [(Entry(path=f"d{n}", kind="dir", mode=0o755), None) for n in range(500)])
    assert len(check(tmp_path / "layer", layer)) == 500
    assert (tmp_path / "layer").read_bytes().count(b"\x1f\x8b\x08\0\0\0\0\0\0\xff") == 8
