"""Run steps in the life of a lock: executed once, kept while nothing they follow from changes, never by a build."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from envlock.adapters.cache import Cache
from envlock.errors import IntegrityError, UsageError
from envlock.image.layer import Layer
from envlock.model.edges import Ground, Task
from envlock.model.lock import Base, Lock, RunLayer
from envlock.model.manifest import Environment
from envlock.model.platform import Platform
from envlock.operations import steps as module
from envlock.operations.edges import Edges
from envlock.operations.fetch import place_beside
from envlock.operations.steps import NAME, Executed, keep_beside, run_layer_path, with_steps
from tests.unit.debs import member, tar
from tests.unit.edges import edges_with
from tests.unit.test_base_operation import World

AMD64 = Platform("linux", "amd64")


class Container:
    """Implements `model.edges.Steps`: every run changes one file."""

    def __init__(self) -> None:
        self.ran: list[tuple[Platform, Sequence[str]]] = []
        self.content = b"hi\n"

    def run(self, ground: Ground, steps: Sequence[str], destination: Path, progress: Task) -> None:
        assert b"".join(ground.archive()).count(b"ustar") > 3
        self.ran.append((ground.platform, steps))
        destination.write_bytes(tar([member("etc/marker", self.content, mtime=len(self.ran))]))


class Life:
    """An environment with steps, locked again and again."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = World(folder, monkeypatch)
        self.container = Container()
        self.cache = Cache(folder / "cache")
        self.edges: Edges = edges_with(
            archives=self.world.pool,
            artifacts=self.cache,
            steps=lambda: self.container,
            registry=lambda: self.world.images,
        )
        self.base = self.world.lock("a-sample")
        self.previous: Base | None = None

    def environment(self, *run: str) -> Environment:
        more = f"bytecode = false\nrun = {list(run)!r}"
        return self.world.manifest("a-sample", [], more=more).environment("e")

    def lock(self, *run: str, **asked: bool) -> Executed:
        found = with_steps(self.base, self.environment(*run), self.previous, self.edges, **asked)
        if not asked.get("dry_run"):
            self.previous = found.base
        return found

    def layer(self, *run: str, **asked: bool) -> RunLayer:
        (row,) = self.lock(*run, **asked).base.run_layers
        return row

    def locked(self) -> Lock:
        assert self.world.kept is not None
        return replace(self.world.kept, base=self.previous)


@pytest.fixture
def life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Life:
    return Life(tmp_path, monkeypatch)


def test_steps_are_executed_once_and_their_changes_locked(life: Life) -> None:
    """The blob is in the cache under its sha256; the lock has steps, digests and where the blob may be."""
    row = life.layer("echo hi > /etc/marker")
    assert life.container.ran == [(AMD64, ("echo hi > /etc/marker",))]
    assert life.previous is not None
    assert life.previous.run == ("echo hi > /etc/marker",)
    assert (row.platform, row.path) == ("linux/amd64", f"built/{row.sha256[:16]}/run.tar.gz")
    blob = life.cache.get(row.sha256, NAME)
    assert blob is not None
    assert blob.stat().st_size == row.size
    assert not [*life.cache.folder("built").iterdir()]


def test_a_locked_layer_stays_while_steps_and_base_do(life: Life) -> None:
    """Also where its blob is not on this machine, and whatever is built beside."""
    row = life.layer("true")
    life.cache.place(row.sha256, NAME).unlink()
    life.base = replace(life.base, build_packages=life.base.packages)
    assert life.layer("true") == row
    assert len(life.container.ran) == 1


def test_other_steps_or_another_base_are_executed_anew(life: Life) -> None:
    """In whichever order."""
    life.layer("true")
    life.layer("true", "false")
    life.base = replace(life.base, packages=life.base.packages[:1])
    life.layer("true", "false")
    assert [steps for _, steps in life.container.ran] == [("true",), ("true", "false"), ("true", "false")]
    assert life.lock().base == life.base


def test_a_rebuild_compares_and_changes_nothing(life: Life) -> None:
    """Steps may use the network: another result is told, and the locked one stays."""
    row = life.layer("true")
    same = life.lock("true", rebuild=True)
    assert same.told == (f"run came out the same for linux/amd64: sha256 {row.sha256}",)
    life.container.content = b"ho\n"
    other = life.lock("true", rebuild=True)
    assert "came out differently" in other.told[0]
    assert "envlock lock --os" in other.told[0]
    assert other.base.run_layers == same.base.run_layers == (row,)
    assert life.layer("true", renew=True) != row


def test_a_rebuild_brings_back_a_blob_that_is_lost(life: Life) -> None:
    """Where the steps give the same bytes again."""
    row = life.layer("true")
    life.cache.place(row.sha256, NAME).unlink()
    life.lock("true", rebuild=True)
    assert life.cache.get(row.sha256, NAME) is not None


def test_nothing_is_executed_where_nothing_may_be(life: Life) -> None:
    """A dry run says what would be, --no-build refuses; what is locked already is no execution."""
    found = life.lock("true", dry_run=True)
    assert found.told == ("1 step of run would be executed in a container of the base, for linux/amd64",)
    assert found.base.run_layers == ()
    with pytest.raises(UsageError, match="run-refused"):
        life.lock("true", no_build=True)
    assert life.container.ran == []
    row = life.layer("true")
    assert life.layer("true", no_build=True) == row
    assert life.lock("true", dry_run=True).told == ()


def test_the_blob_is_found_beside_the_lock(life: Life, tmp_path: Path) -> None:
    """Placed there by fetch; other bytes there are an integrity error."""
    row = life.layer("true")
    lock, blob = life.locked(), life.cache.get(row.sha256, NAME)
    assert blob is not None
    assert place_beside(lock, {row.sha256: blob}, tmp_path / "locks") == 1
    assert place_beside(lock, {row.sha256: blob}, tmp_path / "locks") == 0
    elsewhere = Cache(tmp_path / "elsewhere")
    assert run_layer_path(lock, AMD64, tmp_path / "locks", elsewhere).read_bytes() == blob.read_bytes()
    (tmp_path / "locks" / row.path).write_bytes(b"other")
    with pytest.raises(IntegrityError, match="not-the-locked-layer"):
        run_layer_path(lock, AMD64, tmp_path / "locks", Cache(tmp_path / "third"))


def test_a_lock_keeps_its_own_copy(life: Life, tmp_path: Path) -> None:
    """A cache may be emptied, and steps give other bytes tomorrow."""
    row = life.layer("true")
    assert keep_beside(life.locked(), tmp_path, life.cache) == 1
    assert (tmp_path / row.path).read_bytes() == life.cache.place(row.sha256, NAME).read_bytes()
    assert keep_beside(life.locked(), tmp_path, life.cache) == 0
    assert keep_beside(life.locked(), tmp_path / "other", Cache(tmp_path / "empty")) == 0


def test_the_blob_is_brought_from_a_registry(life: Life, tmp_path: Path) -> None:
    """By the digest that the lock vouches for; other bytes count as none."""
    row = life.layer("true")
    raw = life.cache.place(row.sha256, NAME).read_bytes()

    def bring(layer: Layer, path: Path, _: Task) -> bool:
        assert (layer.digest, layer.size) == (f"sha256:{row.sha256}", row.size)
        path.write_bytes(raw)
        return True

    elsewhere = Cache(tmp_path / "elsewhere")
    assert run_layer_path(life.locked(), AMD64, tmp_path, elsewhere, bring).read_bytes() == raw
    raw = b"other"
    with pytest.raises(UsageError, match="no-run-layer"):
        run_layer_path(life.locked(), AMD64, tmp_path, Cache(tmp_path / "third"), bring)


def test_a_missing_blob_is_never_made_by_anything_but_lock(life: Life, tmp_path: Path) -> None:
    """The error says who may have it."""
    life.layer("true")
    with pytest.raises(UsageError, match="no-run-layer") as caught:
        run_layer_path(life.locked(), AMD64, tmp_path, Cache(tmp_path / "empty"))
    assert "envlock lock --os" in caught.value.hint
    assert len(life.container.ran) == 1


def test_a_base_without_steps_costs_nothing(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """No ground is made; steps that were taken out leave the lock."""
    life.layer("true")
    monkeypatch.setattr(module, "_ground", None)
    assert life.lock().base == life.base
