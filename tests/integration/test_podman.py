"""Images in Podman, by its Docker-compatible socket: the same ID, the same digest, only what it lacks sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from envlock.adapters.engine import Engine
from envlock.adapters.engine_store import EngineStore
from envlock.image.docker_archive import archive_size
from tests.integration.project import Project
from tests.integration.test_engine import Sent, built
from tests.unit.images import AMD64

pytestmark = pytest.mark.engine


def test_podman_has_the_image_under_our_digests(tmp_path: Path, podman_engine: str) -> None:
    """The image ID is that of the configuration, and the digest that of the image manifest, as build printed them."""
    one, two = built(tmp_path / "a", ["big"]), built(tmp_path / "a", ["big", "small"])
    platform = two.of(AMD64)
    sent = Sent()
    with Engine(podman_engine) as client:
        assert (client.is_podman, client.platform) == (True, AMD64)
        EngineStore(client).load(one, one.of(AMD64), ["envlock-test:a"], progress=sent)
        assert EngineStore(client).load(two, platform, ["envlock-test:b", "localhost:5000/x/y:c"], progress=sent)
        rows = client.api.inspect_image("envlock-test:b")
        assert client.api.inspect_image("localhost:5000/x/y:c")["Id"] == rows["Id"]
    assert rows["Id"] == platform.image_id
    assert {name.partition("@")[2] for name in rows["RepoDigests"]} == {platform.manifest.descriptor.digest}
    assert rows["RootFS"]["Layers"] == [layer.diff_id for layer in platform.layers]
    common = {layer.digest for layer in platform.layers[:2]}
    assert sent.totals == [archive_size(one.of(AMD64)), archive_size(platform, common)]


@pytest.mark.network
def test_a_command_runs_in_podman_too(built: Project, podman_engine: str) -> None:
    """Streams, status and variables, and a clear word where it would leave GPUs out."""
    environment = {"DOCKER_HOST": podman_engine}
    script = "import os, sys, yaml; print(yaml.__version__, os.getcwd(), sys.stdin.read()); sys.exit(7)"
    run = ["run", "--image", "--network", "none"]
    done = built.run(*run, "--", "python", "-c", script, environment=environment)
    assert (done.out, done.code) == ("6.0.2 /app \n", 7), done.err
    done = built.run(*run, "--gpus", "--", "true", environment=environment)
    assert (done.code, "no-gpus" in done.err) == (2, True)
