"""Images in a real Docker Engine: loaded, tagged, and only what it lacks sent."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from envlock.adapters.engine import Engine
from envlock.adapters.engine_store import EngineStore, qualified
from envlock.errors import UsageError
from envlock.image.docker_archive import archive_size, docker_archive
from envlock.image.oci import Image
from envlock.model.edges import NoProgress, Task, Unit
from envlock.operations.build import build
from tests.integration.programs import need
from tests.unit.images import AMD64, lock_of, materials
from tests.unit.wheels import make_wheel


class Sent(NoProgress):
    """Notes how many bytes of layers were to be sent."""

    def __init__(self) -> None:
        self.totals: list[int | None] = []

    @contextmanager
    def task(self, description: str, total: int | None = None, *, unit: Unit = "items") -> Iterator[Task]:
        """Note the total."""
        self.totals.append(total)
        with super().task(description, total, unit=unit) as task:
            yield task


def built(folder: Path, names: Sequence[str]) -> Image:
    folder.mkdir(exist_ok=True)
    wheels = [make_wheel(folder, name, files={f"{name}.bin": name.encode() * 100}) for name in names]
    return build(lock_of(wheels), materials=materials(folder, wheels))


@pytest.mark.engine
def test_an_image_is_loaded_then_only_tagged(tmp_path: Path, engine: str) -> None:
    """Under the ID that build printed; the second time nothing is sent."""
    image = built(tmp_path, ["first"])
    platform = image.of(AMD64)
    sent = Sent()
    with Engine(engine) as client:
        assert client.platform == AMD64
        assert EngineStore(client).load(image, platform, ["envlock-test:one"], progress=sent) == platform.image_id
        assert EngineStore(client).load(
            image, platform, ["envlock-test:two", "localhost:5000/x/y:three"], progress=sent
        )
        rows = client.api.inspect_image("envlock-test:two")
    assert sent.totals == [archive_size(platform)]
    assert rows["Id"] == platform.image_id
    assert rows["RepoTags"] == ["envlock-test:one", "envlock-test:two", "localhost:5000/x/y:three"]
    assert rows["RootFS"]["Layers"] == [layer.diff_id for layer in platform.layers]
    assert rows["Config"]["Labels"]["dev.envlock.env"] == "demo"


@pytest.mark.engine
def test_layers_that_the_engine_has_are_not_sent_again(tmp_path: Path, engine: str) -> None:
    """The common prefix, as graph drivers share it."""
    one, two = built(tmp_path / "a", ["big"]), built(tmp_path / "a", ["big", "small"])
    sent = Sent()
    with Engine(engine) as client:
        EngineStore(client).load(one, one.of(AMD64), ["envlock-test:a"], progress=sent)
        EngineStore(client).load(two, two.of(AMD64), ["envlock-test:b"], progress=sent)
        rows = client.api.inspect_image("envlock-test:b")
    common = {layer.digest for layer in two.of(AMD64).layers[:2]}
    assert sent.totals[1] == archive_size(two.of(AMD64), common)
    assert rows["RootFS"]["Layers"] == [layer.diff_id for layer in two.of(AMD64).layers]


@pytest.mark.engine
def test_a_layer_that_is_not_what_it_should_be_is_not_loaded(tmp_path: Path, engine: str) -> None:
    """The Engine's own words are kept."""
    image = built(tmp_path, ["broken"])
    platform = image.of(AMD64)
    image.files[platform.layers[-1].digest].write_bytes(bytes(platform.layers[-1].size))
    with Engine(engine) as client, pytest.raises(UsageError) as caught:
        EngineStore(client).load(image, platform, ["envlock-test:broken"])
    assert caught.value.reference == "engine-failed"


def test_an_engine_that_does_not_answer_is_a_usage_error(tmp_path: Path) -> None:
    """With what else can be done."""
    with pytest.raises(UsageError) as caught, Engine(f"unix://{tmp_path}/none.sock"):
        pass
    assert (caught.value.reference, caught.value.found) == ("no-engine", "No such file or directory")


def test_names_are_completed_as_docker_does() -> None:
    """Host and namespace."""
    assert qualified("registry.example.com/team/churn:1") == "registry.example.com/team/churn:1"
    assert qualified("localhost:5000/churn:1") == "localhost:5000/churn:1"
    assert qualified("churn:1").endswith("/library/churn:1")
    assert qualified("team/churn:1").endswith("/team/churn:1")
    for bad in ("churn", "registry.example.com:5000/churn", ":1", "churn:"):
        with pytest.raises(UsageError):
            qualified(bad)


@pytest.fixture(scope="module")
def containerd() -> Iterator[list[str]]:
    """`ctr` on a containerd of our own, which comes with Debian's docker.io; skips, but never in CI."""
    need("containerd", "ctr", root=True)
    folder = Path(tempfile.mkdtemp(prefix="envlock-containerd."))  # sockets have short paths
    (folder / "config.toml").write_text(
        f'version = 2\nroot = "{folder}/root"\nstate = "{folder}/state"\n'
        f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "{folder}/socket"\n'
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["containerd", "--config", str(folder / "config.toml")], stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
    ctr = ["ctr", "--address", str(folder / "socket")]
    try:
        deadline = time.monotonic() + 60
        while subprocess.run([*ctr, "version"], capture_output=True, check=False).returncode:
            assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.2)
        yield ctr
    finally:
        process.terminate()
        process.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


def imported(ctr: list[str], image: Image, name: str, omit: frozenset[str] = frozenset()) -> int:
    platform = image.of(AMD64)
    archive = b"".join(docker_archive(image, platform, {name: qualified(name)}, omit=omit))
    done = subprocess.run([*ctr, "image", "import", "--all-platforms", "-"], input=archive, capture_output=True)
    return done.returncode


@pytest.mark.engine
def test_containerd_takes_the_archive_by_its_index(tmp_path: Path, containerd: list[str]) -> None:
    """Under the image manifest's digest, unpacked, as Engines with the containerd store do it.

    Blobs that it has may be left out; one that it lacks is noticed, and the whole archive mends that.
    """
    one, two = built(tmp_path / "a", ["big"]), built(tmp_path / "a", ["big", "small"])
    common = frozenset(layer.digest for layer in two.of(AMD64).layers[:2])
    first, second = [*containerd, "-n", "first"], [*containerd, "-n", "second"]
    assert imported(first, one, "envlock-test:a") == 0
    assert imported(first, two, "envlock-test:b", common) == 0
    rows = subprocess.run([*first, "image", "check"], capture_output=True, text=True, check=True).stdout.splitlines()
    for image, row in zip((one, two), rows[1:], strict=True):
        layers = len(image.of(AMD64).layers)
        assert image.of(AMD64).manifest.descriptor.digest in row
        assert f"complete ({layers + 1}/{layers + 1})" in row
        assert row.split()[-1] == "true"
    # Namespaces of containerd share no layer that they were not given.
    assert imported(second, two, "envlock-test:b", common) != 0
    assert imported(second, two, "envlock-test:b") == 0


@pytest.mark.engine
def test_a_load_that_was_killed_does_not_matter_to_the_next(tmp_path: Path, engine: str) -> None:
    """At whichever byte: the Engine forgets what it got, or has it whole."""
    folder = tmp_path / "a"
    folder.mkdir()
    wheels = [make_wheel(folder, name, files={f"{name}.bin": os.urandom(3 << 20)}) for name in ("p", "q", "r")]
    image = build(lock_of(wheels), materials=materials(folder, wheels))
    platform = image.of(AMD64)
    tags = ["envlock-test:killed"]
    for stop in range(1 << 20, archive_size(platform), 2 << 20):
        child = os.fork()
        if child == 0:
            _load_and_die(engine, image, tags, stop)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    with Engine(engine) as client:
        assert EngineStore(client).load(image, platform, tags) == platform.image_id
        rows = client.api.inspect_image(tags[0])
    assert rows["RootFS"]["Layers"] == [layer.diff_id for layer in platform.layers]


def _load_and_die(engine: str, image: Image, tags: Sequence[str], stop: int) -> NoReturn:
    class Deadly(NoProgress):
        @contextmanager
        def task(self, description: str, total: int | None = None, *, unit: Unit = "items") -> Iterator[Task]:
            sent = 0

            class Counted:
                def advance(self, amount: int = 1) -> None:
                    nonlocal sent
                    sent += amount
                    if sent >= stop:
                        os.kill(os.getpid(), signal.SIGKILL)

            yield Counted()

    try:
        with Engine(engine) as client:
            EngineStore(client).load(image, image.of(AMD64), tags, progress=Deadly())
    finally:
        os._exit(1)
