"""`envlock sync` touches only a virtual environment, and says beforehand what it would change."""

from __future__ import annotations

import datetime
import json
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

from envlock.adapters.cache import Cache
from envlock.errors import UsageError
from envlock.formats.wheel import open_wheel
from envlock.model.edges import NoProgress
from envlock.model.lock import LockFile
from envlock.model.platform import Platform
from envlock.operations import local_venv
from envlock.operations.edges import Edges
from envlock.operations.sync import sync_environment
from envlock.operations.sync_check import PendingChange, pending_changes
from tests.unit.venvs import Venv, demo_wheel, lock_of
from tests.unit.wheels import make_wheel

AMD64 = Platform("linux", "amd64")


class Recorder:
    """An installer that writes down what it is told, and fails when it should."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.made: list[str] = []
        self.installed: list[tuple[list[str], bool]] = []

    def make_venv(self, venv: Path, python: str) -> None:
        self.made.append(python)
        venv.mkdir(exist_ok=True)
        if not (venv / "pyvenv.cfg").exists():
            (venv / "pyvenv.cfg").write_text(f"uv = 1\nversion_info = {python}.1\n")

    def install(self, venv: Path, requirements: Sequence[str], wheels: Path, *, reinstall: bool = False) -> None:
        if self.fails:
            raise KeyboardInterrupt
        self.installed.append(([line.partition(" ")[0] for line in requirements], reinstall))


class World:
    """A lock of one wheel in the cache, and a venv's place."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wheel = demo_wheel(folder / "wheels")
        self.lock = lock_of([self.wheel])
        self.cache = Cache(folder / "cache")
        (package,) = self.lock.lock.packages
        self.cache.put(self.wheel, package.wheels[0].sha256, self.wheel.name)
        self.venv = folder / "project" / ".venv"
        self.venv.parent.mkdir()

    def sync(self, installer: Recorder, *, reinstall: bool = False, python: str | None = None) -> int:
        nothing = cast("Any", None)
        edges = Edges(
            resolver=nothing,
            downloads=nothing,
            artifacts=self.cache,
            archives=nothing,
            sandbox=nothing,
            compiler=nothing,
            registry=nothing,
            steps=nothing,
            solver=nothing,
            progress=NoProgress(),
            now=datetime.datetime.now(datetime.UTC),
        )
        return sync_environment(
            self.lock.lock,
            AMD64,
            self.venv,
            folder=self.folder,
            python=python,
            installer=installer,
            edges=edges,
            reinstall=reinstall,
        )


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_new_environment(world: World) -> None:
    """The locked Python is asked for, and the exact pins are installed."""
    installer = Recorder()
    assert world.sync(installer) == 1
    assert (installer.made, installer.installed) == (["3.11"], [(["demo==1.0"], False)])
    assert sorted(path.name for path in world.venv.iterdir()) == ["pyvenv.cfg"]


@pytest.mark.parametrize("kind", ["project", "conda"])
def test_folder_that_is_no_venv(world: World, kind: str) -> None:
    """Neither a folder of files nor conda's Python is touched."""
    world.venv.mkdir()
    (world.venv / ("conda-meta" if kind == "conda" else "src")).mkdir()
    installer = Recorder()
    with pytest.raises(UsageError) as caught:
        world.sync(installer)
    assert (caught.value.reference, installer.made) == ("not-a-venv", [])
    assert len(list(world.venv.iterdir())) == 1


def test_file_in_its_place(world: World) -> None:
    """A file is no folder to make an environment in."""
    world.venv.write_text("")
    with pytest.raises(UsageError) as caught:
        world.sync(Recorder())
    assert caught.value.reference == "not-a-venv"


def test_another_python_is_kept_until_asked(world: World) -> None:
    """An environment of another Python stays as it is; --reinstall makes it anew."""
    world.venv.mkdir()
    (world.venv / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.9.2\n")
    (world.venv / "lib").mkdir()
    installer = Recorder()
    with pytest.raises(UsageError) as caught:
        world.sync(installer)
    assert caught.value.reference == "other-python"
    assert (caught.value.expected, caught.value.found) == ("Python 3.11", "Python 3.9")
    assert "envlock sync demo --reinstall" in caught.value.hint
    assert (world.venv / "lib").exists()
    world.sync(installer, reinstall=True)
    assert not (world.venv / "lib").exists()
    assert local_venv.feature_of(world.venv) == "3.11"


def test_an_interpreter_of_another_version(world: World) -> None:
    """It is refused before there is an environment of it, and before one that is there is changed."""
    for _ in range(2):
        with pytest.raises(UsageError) as caught:
            world.sync(Recorder(), python="3.8")
        assert (caught.value.reference, caught.value.found) == ("other-python", "Python 3.8")
        if not world.venv.exists():
            world.sync(Recorder())
    assert local_venv.feature_of(world.venv) == world.lock.lock.python


def test_interrupted_sync_is_mended_by_the_next(world: World) -> None:
    """Files may be missing behind metadata that says they are there: everything is put back, once."""
    with pytest.raises(KeyboardInterrupt):
        world.sync(Recorder(fails=True))
    installer = Recorder()
    world.sync(installer)
    world.sync(installer)
    assert [reinstall for _, reinstall in installer.installed] == [True, False]


def test_several_at_once(world: World) -> None:
    """Two syncs of one environment work one after the other, and leave it finished."""
    working, together = threading.Lock(), []

    class Slow(Recorder):
        def install(self, venv: Path, requirements: Sequence[str], wheels: Path, *, reinstall: bool = False) -> None:
            together.append(not working.acquire(blocking=False))
            time.sleep(0.05)
            super().install(venv, requirements, wheels, reinstall=reinstall)
            if not together[-1]:
                working.release()

    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(lambda _: world.sync(Slow()), range(2)))
    assert (counts, together) == ([1, 1], [False, False])
    assert not local_venv.unfinished_mark(world.venv).exists()


def test_locked_package_from_elsewhere_is_replaced(world: World) -> None:
    """uv would take an editable install of the locked version for the locked wheel."""
    venv = Venv(world.venv)
    info = venv.install(world.wheel)
    (info / "direct_url.json").write_text('{"url": "file:///src", "dir_info": {"editable": true}}')
    installer = Recorder()
    world.sync(installer)
    assert installer.installed == [(["demo==1.0"], True)]


def test_another_build_of_the_locked_version_is_replaced(world: World) -> None:
    """uv would keep it, and verify --full would say that other files are installed."""
    venv = Venv(world.venv)
    info = venv.install(world.wheel)
    installer = Recorder()
    world.sync(installer)
    (info / "RECORD").write_bytes((info / "RECORD").read_bytes().replace(b"sha256=", b"sha256=a"))
    world.sync(installer)
    assert [reinstalled for _, reinstalled in installer.installed] == [False, True]
    with open_wheel(world.wheel, world.wheel.name) as wheel:
        assert pending(world.lock, venv, wheel.record) == [("demo", "reinstall", "1.0", "1.0")]


def test_timestamps_of_this_machine_go(world: World) -> None:
    """uv's note of when it read a local wheel leaves neither file nor row."""
    venv = Venv(world.venv)
    info = venv.install(world.wheel)
    before = (info / "RECORD").read_bytes()
    (info / "uv_cache.json").write_text("{}")
    (info / "RECORD").write_bytes(before + b"demo-1.0.dist-info/uv_cache.json,sha256=abc,2\n")
    world.sync(Recorder())
    assert not (info / "uv_cache.json").exists()
    assert (info / "RECORD").read_bytes() == before


def pending(lock: LockFile, venv: Venv | Path, record: bytes | None = None) -> list[tuple[str, str, str, str]]:
    path = venv.prefix if isinstance(venv, Venv) else venv
    found = pending_changes(
        lock, AMD64, path, interpreter=cast("Venv", venv), records=lambda wheel: record, progress=NoProgress()
    )
    return [(change.name, change.action, change.before, change.after) for change in found]


def test_check_of_nothing(world: World) -> None:
    """Where there is no environment yet everything would be installed, and no folder is made."""
    assert pending(world.lock, world.venv) == [("demo", "install", "", "1.0")]
    assert not world.venv.exists()


def test_check(world: World) -> None:
    """Missing, other, surplus and foreign packages, and none where it is in sync; nothing is touched."""
    same, old, new = (demo_wheel(world.folder / "more", *pair) for pair in (("a", "1.0"), ("b", "1.0"), ("b", "2.0")))
    extra, gone = demo_wheel(world.folder / "more", "c"), demo_wheel(world.folder / "more", "d")
    lock = lock_of([same, new, gone])
    venv = Venv(world.venv)
    for wheel in (same, old, extra):
        venv.install(wheel)
    before = sorted((str(path), path.stat().st_mtime_ns) for path in world.venv.rglob("*"))
    assert pending(lock, venv) == [
        ("b", "replace", "1.0", "2.0"),
        ("c", "remove", "1.0", ""),
        ("d", "install", "", "1.0"),
    ]
    assert sorted((str(path), path.stat().st_mtime_ns) for path in world.venv.rglob("*")) == before
    assert pending(lock_of([same, old, extra]), venv) == []


@pytest.mark.parametrize(
    ("config", "kept"),
    [("uv = 0.13.9\n", False), ("uv = 0.13.9\nseed = true\n", True), ("home = /usr/bin\n", True)],
)
def test_check_of_seeds(world: World, config: str, kept: bool) -> None:
    """pip stays where whoever made the environment put it, as uv has it."""
    venv = Venv(world.venv)
    (world.venv / "pyvenv.cfg").write_text(f"{config}version = 3.11.9\n")
    venv.install(world.wheel)
    venv.install(make_wheel(world.folder, "pip", "23.0"))
    assert bool(pending(world.lock, venv)) is not kept


def test_check_with_system_site_packages(world: World) -> None:
    """What is only seen from outside is neither taken for installed nor removed."""
    venv, system = Venv(world.venv), Venv(world.folder / "system")
    system.install(world.wheel)
    system.install(make_wheel(world.folder, "other", "1.0"))
    venv.answers["sites"] = [str(venv.site), str(system.site)]
    assert pending(world.lock, venv) == [("demo", "install", "", "1.0")]


def test_check_after_an_interruption(world: World) -> None:
    """Everything would be put back."""
    venv = Venv(world.venv)
    venv.install(world.wheel)
    local_venv.unfinished_mark(world.venv).touch()
    assert pending(world.lock, venv) == [("demo", "reinstall", "1.0", "1.0")]


def test_change_as_json() -> None:
    """The change is a plain record."""
    import msgspec

    change = PendingChange(name="a", action="install", after="1.0")
    assert json.loads(msgspec.json.encode(change)) == {"name": "a", "action": "install", "before": "", "after": "1.0"}
