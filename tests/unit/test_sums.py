"""envlock.sum."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envlock.errors import EnvlockError, IntegrityError, UsageError
from envlock.image.layer import Layer
from envlock.image.sums import Sums, extend_sums, format_sums, merged, parse_sums, read_sums

hexes = st.text("0123456789abcdef", min_size=64, max_size=64)
digests = hexes.map(lambda text: f"sha256:{text}")
layers = st.builds(Layer, digest=digests, diff_id=digests, size=st.integers(0, 2**40))
sums = st.builds(
    Sums,
    layers=st.dictionaries(hexes, layers, max_size=4),
    images=st.dictionaries(st.tuples(hexes, st.sampled_from(["linux/amd64", "linux/arm64"])), digests, max_size=3),
)
KEY, ONE, TWO = "a" * 64, f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
KNOWN = Sums(layers={KEY: Layer(digest=ONE, diff_id=TWO, size=5)}, images={(KEY, "linux/amd64"): ONE})
TEXT = f"image {KEY} linux/amd64 {ONE}\nlayer {KEY} {ONE} {TWO} 5\n"


@given(sums)
def test_what_is_written_is_read_back(known: Sums) -> None:
    """Sorted, whatever the order it was found in."""
    raw = format_sums(known)
    assert parse_sums(raw, "envlock.sum") == known
    assert raw.decode().splitlines() == sorted(raw.decode().splitlines())


def test_the_text_is_golden() -> None:
    """Committed files must stay readable."""
    assert format_sums(KNOWN).decode() == TEXT


def test_lines_merged_by_union_are_fine_however_often_they_come() -> None:
    """What git does with `merge=union`."""
    assert parse_sums((TEXT + TEXT).encode(), "envlock.sum") == KNOWN


@pytest.mark.parametrize("line", ["<<<<<<< HEAD", "layer x y z 1", f"layer {KEY} {ONE} {TWO} -5", "", "#"])
def test_a_line_that_is_none_is_named(line: str) -> None:
    """With its number."""
    with pytest.raises(UsageError) as caught:
        parse_sums(f"{TEXT}{line}\n".encode(), "envlock.sum")
    assert (caught.value.reference, caught.value.where) == ("bad-sums", "envlock.sum:3")


def test_lines_that_contradict_each_other_are_an_integrity_error() -> None:
    """A merge of two builds that differ."""
    with pytest.raises(IntegrityError) as caught:
        parse_sums(f"{TEXT}image {KEY} linux/amd64 {TWO}\n".encode(), "envlock.sum")
    assert caught.value.reference == "sums-mismatch"


def test_every_difference_is_counted_and_the_first_is_told() -> None:
    """By what the layer holds."""
    other = Sums(layers={KEY: Layer(digest=TWO, diff_id=TWO, size=5)}, images={(KEY, "linux/amd64"): TWO})
    with pytest.raises(IntegrityError) as caught:
        merged(KNOWN, other, "envlock.sum", {KEY: "tensorflow 2.5.0"})
    error = caught.value
    assert error.what == (
        "tensorflow 2.5.0: these bytes are not the ones that envlock.sum vouches for (1 more differ)."
    )
    assert (error.expected, error.found) == (f"{ONE}, diff ID {TWO}, 5 bytes", f"{TWO}, diff ID {TWO}, 5 bytes")


def test_a_file_is_made_extended_and_left_alone(tmp_path: Path) -> None:
    """Written only where something is new."""
    path = tmp_path / "lockfiles" / "envlock.sum"
    assert read_sums(path) == Sums()
    extend_sums(path, KNOWN)
    assert path.read_text() == TEXT
    before = path.stat().st_ino
    extend_sums(path, Sums(images=KNOWN.images))
    assert path.stat().st_ino == before
    extend_sums(path, Sums(images={("b" * 64, "linux/amd64"): ONE}))
    assert path.read_text() == TEXT.replace("layer", f"image {'b' * 64} linux/amd64 {ONE}\nlayer", 1)
    assert [file.name for file in path.parent.iterdir()] == ["envlock.sum"]


def test_what_cannot_be_read_or_written_is_told(tmp_path: Path) -> None:
    """A folder in its place."""
    (tmp_path / "envlock.sum").mkdir()
    with pytest.raises(EnvlockError) as caught:
        extend_sums(tmp_path / "envlock.sum", KNOWN)
    assert (caught.value.reference, caught.value.found) == ("bad-sums", "Is a directory")
