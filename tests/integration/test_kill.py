"""kill -9 at random moments of build, push, pull and load: the next run ends right, and nothing corrupt is served.

ENVLOCK_TEST_KILLS says how many kills there are, ENVLOCK_TEST_SEED which ones.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from envlock.adapters.registry import OciRegistry
from envlock.adapters.registry_session import Session
from envlock.formats.oci import Layout
from envlock.model.reference import Reference
from tests.integration.project import Project
from tests.integration.registry_server import Server, serving

pytestmark = pytest.mark.network

KILLS = int(os.environ.get("ENVLOCK_TEST_KILLS", "4"))
SEED = int(os.environ.get("ENVLOCK_TEST_SEED", "1"))
LOADS = KILLS // 4


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A registry, in which nobody is killed."""
    with serving(tmp_path_factory.mktemp("registry")) as running:
        yield running


class Bench:
    """One project whose commands are killed, and what they must end with."""

    def __init__(self, built: Project, folder: Path) -> None:
        row = built.ok("build", "--json").json["images"][0]
        self.index: str = row["index"]
        self.image: str = row["platforms"]["linux/amd64"]["image"]
        self.lock_files = built.folder / "lockfiles"
        self.cache = folder / "cache"
        self.project = Project(folder / "project", cache=self.cache)
        assert built.cache is not None
        unmade = shutil.ignore_patterns("roots")  # it is made again, and interpreters run in it
        shutil.copytree(built.cache, self.cache, copy_function=os.link, ignore=unmade)
        self.dice = random.Random(SEED)
        self.ended = 0
        """Commands that were over before they were killed."""

    def reset(self) -> None:
        """Take away, by chance, what earlier commands left, so that there is work at every stage."""
        shutil.rmtree(self.project.folder / ".envlock", ignore_errors=True)
        for layer in sorted((self.cache / "layers").glob("[0-9a-f]*")):
            if layer.is_dir() and self.dice.random() < 0.5:
                shutil.rmtree(layer)
        shutil.rmtree(self.project.folder / "lockfiles", ignore_errors=True)
        shutil.copytree(self.lock_files, self.project.folder / "lockfiles")
        if self.dice.random() < 0.5:
            (self.project.folder / "lockfiles/envlock.sum").unlink()

    def kill(self, *arguments: str, environment: dict[str, str], longest: float) -> None:
        """Run envlock and kill it, and all that it started, some time later."""
        process = subprocess.Popen(
            [sys.executable, "-m", "envlock", *arguments],
            cwd=self.project.folder,
            env=os.environ | {"ENVLOCK_CACHE_DIR": str(self.cache)} | environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(self.dice.uniform(0.1, longest))
        self.ended += process.poll() is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def duration(self, *arguments: str, environment: dict[str, str]) -> float:
        """Return how long a command takes that is left alone, and has its interpreter's root."""
        self.reset()
        if not (self.cache / "roots").exists():
            self.project.ok("build")
            self.reset()
        start = time.monotonic()
        assert self.index in self.project.ok(*arguments, environment=environment).out
        return time.monotonic() - start

    def check_served(self, repository: Reference | None = None) -> None:
        """See that what a killed command left is whole: a layout that names an image has it, and so has a registry."""
        folder = self.project.folder / ".envlock/images/small"
        if (folder / "index.json").exists():
            assert_whole(Layout(folder), self.index)
        if repository is None:
            return
        registry = OciRegistry(Session(environment={}, daemon=Path("/nonexistent/daemon.json")))
        digest = registry.find(repository)
        assert digest in (None, self.index)
        if digest is not None:
            raw = json.loads(registry.manifest(repository)[0])
            for row in raw["manifests"]:
                manifest = json.loads(registry.manifest(repository.at(row["digest"]))[0])
                for blob in (manifest["config"], *manifest["layers"]):
                    assert sum(map(len, registry.blob(repository, blob["digest"]))) == blob["size"]


def assert_whole(layout: Layout, index: str) -> None:
    """Hash every blob of an image in a layout."""
    tops = layout.top().manifests
    assert {top.digest for top in tops} == {index}
    for top in tops:
        for manifest in layout.indexes(top).manifests:
            parsed = layout.manifest(manifest)
            for blob in (parsed.config, *parsed.layers):
                layout.verify(blob)


def test_killed_commands_leave_nothing_wrong(built: Project, server: Server, tmp_path: Path) -> None:
    """Each command runs again and ends with the locked digest; the cache verifies; all that is served is whole."""
    bench = Bench(built, tmp_path)
    source = f"{server.address}/team/source:v1"

    def command(kind: str, repository: str) -> tuple[str, ...]:
        return (kind,) if kind == "build" else (kind, "small", "-t", repository if kind == "push" else source)

    kinds = ("push", "build", "pull")
    longest = {kind: bench.duration(*command(kind, source), environment={}) for kind in kinds}
    for number in range(KILLS - LOADS):
        kind = kinds[number % len(kinds)]
        target = f"{server.address}/team/kill{number}:v1"
        served = Reference.parse(target if kind == "push" else source)
        bench.reset()
        bench.kill(*command(kind, target), environment={}, longest=longest[kind])
        bench.check_served(served)
        assert bench.index in bench.project.ok(*command(kind, target)).out
        bench.check_served(served)
        checked = bench.project.run("cache", "verify")
        assert checked.code == 0, checked.out + checked.err
    for path in server.blobs.glob("*/*/data"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.parent.name
    print(f"{KILLS - LOADS} kills, {bench.ended} of commands that were over")


@pytest.mark.engine
def test_killed_loads_leave_nothing_wrong(built: Project, engine: str, tmp_path: Path) -> None:
    """An Engine that was being sent an image has it whole or not at all, and takes it from the next run."""
    bench = Bench(built, tmp_path)
    environment = {"DOCKER_HOST": engine}
    docker = ["docker", "-H", engine]
    arguments = ("build", "-o", "engine", "-t", "team/killed:v1")
    longest = bench.duration(*arguments, environment=environment)
    for _ in range(LOADS):
        subprocess.run([*docker, "image", "rm", "-f", "team/killed:v1"], capture_output=True, check=False)
        subprocess.run([*docker, "image", "prune", "-af"], capture_output=True, check=True)
        bench.reset()
        bench.kill(*arguments, environment=environment, longest=longest)
        found = subprocess.run(
            [*docker, "image", "inspect", "--format", "{{.Id}}", "team/killed:v1"], capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert found.returncode or found.stdout.strip() == bench.image
        assert bench.index in bench.project.ok(*arguments, environment=environment).out
        run = [*docker, "run", "--rm", "--network", "none", "team/killed:v1", "python", "-c",
               "import click, yaml; print(yaml.__version__)"]  # fmt: skip
        assert subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip() == "6.0.2"
        checked = bench.project.run("cache", "verify")
        assert checked.code == 0, checked.out + checked.err
    print(f"{LOADS} kills, {bench.ended} of commands that were over")
