"""Images and containers of a real registry, a real Docker Engine and Podman, verified where they are."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from envlock.adapters.engine import Engine
from envlock.adapters.engine_targets import EngineTargets
from envlock.adapters.registry import OciRegistry
from envlock.adapters.registry_session import Session
from envlock.errors import UsageError
from envlock.formats.pylock import read_lock
from envlock.model.finding import Verdict
from envlock.model.machine import Cpu
from envlock.model.terms import Terms
from envlock.operations.verify import Witnesses
from envlock.operations.verify_container import verify_container
from envlock.operations.verify_image import verify_image
from tests.integration.programs import need
from tests.integration.project import Project
from tests.integration.registry_server import Server, serving

pytestmark = pytest.mark.network
SITE = "/opt/venv/lib/python3.11/site-packages"
IDLE = ["python", "-c", "import time; time.sleep(600)"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A registry without TLS."""
    with serving(tmp_path_factory.mktemp("registry")) as running:
        yield running


def verify(project: Project, name: str, *, url: str | None = None, full: bool = False) -> Verdict:
    """Verify an image, or the container whose name comes after ``container:``."""
    lock = read_lock(project.lock_path())
    edges: dict[str, Any] = {
        "sums": project.folder / "lockfiles/envlock.sum",
        "witnesses": Witnesses(records=lambda wheel: None),
        "terms": Terms(full=full),
        "engines": partial(EngineTargets, url),
    }
    if name.startswith("container:"):
        return verify_container(lock, name.removeprefix("container:"), **edges)
    return verify_image(lock, name, registry=lambda: OciRegistry(Session(environment={})), **edges)


def rules(verdict: Verdict) -> tuple[int, list[str]]:
    """Return the exit code and the rules that found something."""
    return verdict.exit_code, [finding.rule for finding in verdict.findings]


def docker(url: str, *arguments: str) -> str:
    """Run the docker command."""
    need("docker")
    return subprocess.run(["docker", "-H", url, *arguments], check=True, capture_output=True, text=True).stdout.strip()


def test_an_image_of_a_registry(built: Project, server: Server) -> None:
    """Quick: documents alone; full: every layer streamed."""
    reference = f"{server.address}/team/small"
    built.ok("push", "small", "-t", f"{reference}:v1", "--no-provenance")
    before = len(server.requests())
    assert rules(verify(built, f"{reference}:v1")) == (0, [])
    asked = server.requests()[before:]
    assert [line for line in asked if "/blobs/" in line and '"GET' in line][1:] == []
    verdict = verify(built, f"{reference}:v1", full=True)
    assert rules(verdict) == (0, [])
    assert verdict.summary.packages == verdict.summary.locked_packages == 2


@pytest.mark.engine
def test_images_of_an_engine(built: Project, server: Server, engine: str, tmp_path: Path) -> None:
    """The locked one matches, quick and full; one that a Dockerfile made of it is judged by its files."""
    built.ok("build", "-o", "engine", "-t", "envlock-verify:one", environment={"DOCKER_HOST": engine})
    for full in (False, True):
        assert rules(verify(built, "engine:envlock-verify:one", url=engine, full=full)) == (0, []), full
    dockerfile = f"FROM envlock-verify:one\nRUN python -c \"open('{SITE}/click/core.py', 'a').write('#')\"\n"
    (tmp_path / "Dockerfile").write_text(dockerfile)
    docker(engine, "build", "-q", "--network", "host", "-t", f"{server.address}/team/foreign:one", str(tmp_path))
    docker(engine, "push", "-q", f"{server.address}/team/foreign:one")
    for name in (f"{server.address}/team/foreign:one", f"engine:{server.address}/team/foreign:one"):
        assert rules(verify(built, name, url=engine)) == (3, ["image-unlocked"])
        code, found = rules(verify(built, name, url=engine, full=True))
        assert (code, found[0]) == (4, "file-tampered"), name
        assert {"layer-unproven", "bytecode-unproven"} <= set(found[1:])
    with pytest.raises(UsageError, match="envlock-verify:one"):
        verify(built, "engine:envlock-verify:won", url=engine)


@pytest.mark.engine
def test_containers_of_an_engine(built: Project, engine: str) -> None:
    """One that is as its image, one that was changed, one with other limits and a mount; stopped ones too."""
    built.ok("build", "-o", "engine", "-t", "envlock-verify:one", environment={"DOCKER_HOST": engine})
    start = ("run", "-d", "--rm", "--network", "host")
    docker(engine, *start, "--name", "same", "--cpus", "1", "--memory", "300m", "envlock-verify:one", *IDLE)
    for full in (False, True):
        verdict = verify(built, "container:same", url=engine, full=full)
        assert rules(verdict) == (0, []), full
    machine = verdict.summary.machine
    assert machine is not None
    assert isinstance(machine.cpu, Cpu)
    assert (machine.cpu.quota, machine.memory) == (1.0, 300 << 20)
    docker(engine, "exec", "same", "python", "-c", f"open('{SITE}/sitecustomize.py', 'w')")
    assert rules(verify(built, "container:same", url=engine)) == (1, ["container-changes"])
    code, found = rules(verify(built, "container:same", url=engine, full=True))
    assert (code, "startup-code" in found) == (1, True)
    docker(engine, "kill", "same")
    options = ("--tmpfs", f"{SITE}/yaml", "-e", "PYTHONPATH=/evil")
    docker(engine, "create", "--name", "other", "--network", "host", *options, "envlock-verify:one", *IDLE)
    assert rules(verify(built, "container:other", url=engine)) == (3, ["container-mounts", "python-path"])
    with pytest.raises(UsageError, match="one of: other"):
        verify(built, "container:othr", url=engine)
    docker(engine, "rm", "other")


@pytest.mark.engine
def test_images_and_containers_of_podman(built: Project, podman_engine: str) -> None:
    """By its Docker-compatible socket."""
    built.ok("build", "-o", "engine", "-t", "envlock-verify:one", environment={"DOCKER_HOST": podman_engine})
    with Engine(podman_engine) as client:
        made = client.api.create_container("envlock-verify:one", IDLE, name="box")["Id"]
    try:
        for name, full in (("engine:envlock-verify:one", True), ("container:box", False), ("container:box", True)):
            assert rules(verify(built, name, url=podman_engine, full=full)) == (0, []), (name, full)
    finally:
        with Engine(podman_engine) as client:
            client.api.remove_container(made)


def test_an_engine_that_does_not_run(built: Project, tmp_path: Path) -> None:
    """Exit 2, with what else can be done."""
    for name in ("engine:envlock-verify:one", "container:box"):
        with pytest.raises(UsageError) as caught:
            verify(built, name, url=f"unix://{tmp_path}/none.sock")
        assert caught.value.reference == "no-engine"
        assert "--image HOST/NAME:TAG" in caught.value.hint
