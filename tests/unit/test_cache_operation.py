"""What `envlock cache` finds, proves and removes, in caches of a few small things."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from envlock.adapters.cache import Cache
from envlock.errors import UsageError
from envlock.image.layer import Layer
from envlock.image.layer_cache import LayerCache
from envlock.model.edges import NoProgress
from envlock.model.size import parse_size, size_text
from envlock.operations.cache import prune, verify
from envlock.operations.cache_items import MADE, items
from envlock.operations.roots import note_state

HOUR = 3600.0
ROOT_KEY = "c" * 64


class Storage(Cache):
    """A cache that no process but this one uses, which begins to do so now."""

    def __init__(self, root: Path, began: float) -> None:
        super().__init__(root)
        self.began = began

    def in_use_since(self) -> float:
        return self.began


def file(root: Path, raw: bytes, hours: float, name: str = "some.whl") -> Path:
    """Keep a file, used so many hours after the epoch."""
    folder = root / "files" / hashlib.sha256(raw).hexdigest()
    folder.mkdir(parents=True)
    (folder / name).write_bytes(raw)
    os.utime(folder, (hours * HOUR, hours * HOUR))
    return folder / name


def layer(root: Path, raw: bytes, hours: float) -> Path:
    """Keep a layer."""
    key = hashlib.sha256(b"key of " + raw).hexdigest()
    folder = root / "layers" / key
    folder.mkdir(parents=True)
    (folder / "blob").write_bytes(raw)
    digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    LayerCache(root / "layers").keep(key, Layer(digest=digest, diff_id=digest, size=len(raw)))
    os.utime(folder, (hours * HOUR, hours * HOUR))
    return folder


def unpacked(root: Path, hours: float) -> Path:
    """Keep a root."""
    folder = root / "roots" / ROOT_KEY
    (folder / "usr").mkdir(parents=True)
    (folder / "usr/file").write_bytes(b"x" * 50)
    note_state(folder)
    os.utime(folder.with_suffix(".state"), (hours * HOUR, hours * HOUR))
    return folder


def names(root: Path) -> list[str]:
    """What is kept, by kind and first byte."""
    return [f"{item.kind} {item.used / HOUR:g}" for item in items(root)]


def test_items_are_sorted_by_their_last_use(tmp_path: Path) -> None:
    """Files, layers and roots are one item each; what a killed process left is a leftover, locks are nothing."""
    file(tmp_path, b"a" * 10, 3)
    layer(tmp_path, b"b" * 20, 1)
    unpacked(tmp_path, 2)
    unfinished = tmp_path / "layers" / ("d" * 64)
    unfinished.mkdir()
    (unfinished / ".blob.x1").write_bytes(b"half")
    os.utime(unfinished, (0, 0))
    (tmp_path / "layers" / ("d" * 64 + ".lock")).touch()
    staging = tmp_path / "roots" / f".{ROOT_KEY}.x2"
    (staging / "usr").mkdir(parents=True)
    os.utime(staging, (0, 0))
    part = tmp_path / "files" / hashlib.sha256(b"a" * 10).hexdigest() / ".some.whl.1.2.part"
    part.write_bytes(b"ha")
    os.utime(part, (0, 0))
    os.utime(part.parent, (3 * HOUR, 3 * HOUR))
    assert names(tmp_path) == ["leftovers 0", "leftovers 0", "leftovers 0", "layers 1", "roots 2", "files 3"]
    sizes = {item.kind: item.size for item in items(tmp_path) if item.kind != "leftovers"}
    assert sizes["roots"] == 50


def test_an_empty_cache_is_not_made(tmp_path: Path) -> None:
    """Looking changes nothing."""
    assert items(tmp_path / "cache") == []
    assert not (tmp_path / "cache").exists()


def test_the_longest_unused_goes_first(tmp_path: Path) -> None:
    """Until what is left fits; of the chosen kinds only."""
    file(tmp_path, b"a" * 100, 1)
    for hours in (4, 2, 3):
        layer(tmp_path, bytes([hours]) * 100, hours)
    largest = max(item.size for item in items(tmp_path))
    done = prune(Storage(tmp_path, 5 * HOUR), keep=2 * largest, kinds=MADE)
    assert [item.used / HOUR for item in done.removed] == [2]
    assert names(tmp_path) == ["files 1", "layers 3", "layers 4"]
    assert done.left == sum(item.size for item in items(tmp_path) if item.kind == "layers")


def test_old_things_go(tmp_path: Path) -> None:
    """--older-than counts from the last use."""
    file(tmp_path, b"a", 1)
    layer(tmp_path, b"b", 2)
    unpacked(tmp_path, 3)
    prune(Storage(tmp_path, 9 * HOUR), unused_since=2.5 * HOUR)
    assert names(tmp_path) == ["roots 3"]


def test_what_was_used_since_a_process_began_stays(tmp_path: Path) -> None:
    """Whatever is asked for; it is told how much that is."""
    file(tmp_path, b"a" * 7, 1)
    file(tmp_path, b"b" * 5, 2)
    layer(tmp_path, b"c", 3)
    unpacked(tmp_path, 2)
    done = prune(Storage(tmp_path, 2 * HOUR), everything=True)
    assert names(tmp_path) == ["files 2", "roots 2", "layers 3"]
    assert done.in_use == done.left > 50


def test_leftovers_go_always_but_not_under_a_writer(tmp_path: Path) -> None:
    """A temporary file older than every process was left by one that ended."""
    folder = file(tmp_path, b"a", 9).parent
    for name, hours in (("old", 1), ("new", 3)):
        part = folder / f".some.whl.{name}"
        part.write_bytes(b"half")
        os.utime(part, (hours * HOUR, hours * HOUR))
    prune(Storage(tmp_path, 2 * HOUR))
    assert sorted(path.name for path in folder.iterdir()) == [".some.whl.new", "some.whl"]


def test_a_layer_that_is_being_made_stays(tmp_path: Path) -> None:
    """Its lock is held; verify says that it did not look."""
    folder = layer(tmp_path, b"a", 1)

    class Waiting:
        def advance(self, amount: int = 1) -> None: ...

    with LayerCache(tmp_path / "layers").held(folder.name, Waiting()):
        results: list[object] = []
        storage = Storage(tmp_path, 9 * HOUR)
        thread = threading.Thread(
            target=lambda: results.extend((prune(storage, everything=True), verify(storage, NoProgress())))
        )
        thread.start()
        thread.join()
    assert folder.is_dir()
    assert results[0].removed == ()  # type: ignore[attr-defined]
    assert results[1].busy == 1  # type: ignore[attr-defined]


def test_all_of_it(tmp_path: Path) -> None:
    """Nothing but locks is left, and a root without write permission is removed too."""
    file(tmp_path, b"a", 1)
    layer(tmp_path, b"b", 2)
    (unpacked(tmp_path, 3) / "usr").chmod(0o555)
    prune(Storage(tmp_path, 9 * HOUR), everything=True)
    assert items(tmp_path) == []
    assert not (tmp_path / "roots" / f"{ROOT_KEY}.state").exists()


def test_a_whole_cache_is_clean(tmp_path: Path) -> None:
    """Every kind was looked at."""
    file(tmp_path, b"a", 1)
    confirmed = file(tmp_path, b"d", 1)
    confirmed.with_name("contents-12-34").touch()
    layer(tmp_path, b"b", 2)
    unpacked(tmp_path, 3)
    checked = verify(Storage(tmp_path, 0), NoProgress())
    assert (checked.checked, checked.busy, checked.damaged) == (4, 0, ())


def test_damage_is_named_and_removed(tmp_path: Path) -> None:
    """A flipped file, a cut layer, a layer without its note, a root that somebody wrote to."""
    one = file(tmp_path, b"a", 1)
    one.write_bytes(b"b")
    cut = layer(tmp_path, b"cc", 2)
    (cut / "blob").write_bytes(b"c")
    noteless = layer(tmp_path, b"dd", 2)
    (noteless / "layer.json").write_text("{}")
    root = unpacked(tmp_path, 3)
    (root / "usr/file").write_bytes(b"y" * 50)
    whole = layer(tmp_path, b"ee", 2)
    storage = Storage(tmp_path, 9 * HOUR)
    found = verify(storage, NoProgress()).damaged
    expected = {
        f"files/{one.parent.name}/some.whl",
        f"layers/{cut.name}",
        f"layers/{noteless.name}",
        f"roots/{root.name}",
    }
    assert {damage.name for damage in found} == expected
    assert not any(damage.removed for damage in found)
    fixed = verify(storage, NoProgress(), fix=True).damaged
    assert {damage.name for damage in fixed if damage.removed} == expected
    assert verify(storage, NoProgress()).damaged == ()
    assert [path.parent for path in (tmp_path / "layers").glob("*/blob")] == [whole]


def test_a_damaged_root_in_use_stays(tmp_path: Path) -> None:
    """An interpreter may run in it."""
    root = unpacked(tmp_path, 3)
    (root / "usr/file").write_bytes(b"y" * 50)
    [damage] = verify(Storage(tmp_path, 2 * HOUR), NoProgress(), fix=True).damaged
    assert not damage.removed
    assert root.is_dir()


@contextlib.contextmanager
def another_process(root: Path, sha256: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has used a file of the cache, and lives."""
    script = (
        "import sys; from pathlib import Path; from envlock.adapters.cache import Cache\n"
        f"print(Cache(Path({str(root)!r})).get({sha256!r}, 'some.whl') is not None, flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "True\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def test_a_living_process_keeps_what_it_used(tmp_path: Path) -> None:
    """Also what it used before this process began; once it was killed, nothing is held, and its lease is gone."""
    used, other = file(tmp_path, b"a", 1), file(tmp_path, b"b", 1)
    with another_process(tmp_path, used.parent.name):
        time.sleep(0.05)  # file systems count time in ticks
        prune(Cache(tmp_path), everything=True)
        assert used.exists()
        assert not other.exists()
    prune(Cache(tmp_path), everything=True)
    assert not used.exists()
    assert len(list((tmp_path / "locks").glob("*.lease"))) == 2  # of the two above, which are this process


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("12", 12), ("500MB", 500_000_000), ("20 GiB", 20 << 30), ("1.5g", 1_500_000_000), ("2kb", 2000)],
)
def test_sizes(text: str, size: int) -> None:
    """Decimal units, and binary ones where they say so."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "many", "-1", "5XB", "1e9", "GB"])
def test_no_sizes(text: str) -> None:
    """Named, with examples."""
    with pytest.raises(UsageError, match="bad-size"):
        parse_size(text)


@pytest.mark.parametrize(("size", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 KB"), (2_340_000_000, "2.3 GB")])
def test_sizes_as_text(size: int, text: str) -> None:
    """One decimal."""
    assert size_text(size) == text
