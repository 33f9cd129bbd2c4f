"""Images in a real Docker Engine: loaded, tagged, and only what it lacks sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from envlock.adapters.engine import Engine, qualified
from envlock.errors import UsageError
from envlock.image.docker_archive import archive_size
from envlock.image.oci import Image
from envlock.model.edges import NoProgress, Task, Unit
from envlock.operations.build import build
from tests.integration.engine_fixture import engine as engine
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
        assert client.load(image, platform, ["envlock-test:one"], progress=sent) == platform.image_id
        assert client.load(image, platform, ["envlock-test:two", "localhost:5000/x/y:three"], progress=sent)
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
        client.load(one, one.of(AMD64), ["envlock-test:a"], progress=sent)
        client.load(two, two.of(AMD64), ["envlock-test:b"], progress=sent)
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
        client.load(image, platform, ["envlock-test:broken"])
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
