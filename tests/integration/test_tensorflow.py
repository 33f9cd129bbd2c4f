"""The founding story on real TensorFlow: this repository's own locks, their images, a real Engine."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from envlock.adapters.probing import PythonProbing
from envlock.model.passes import canonical
from envlock.observe.numerics import project_source, run_suite
from tests.integration.project import Project
from tests.integration.teammates import make_team, odd_ones

pytestmark = [pytest.mark.network, pytest.mark.tensorflow]

ROOT = Path(__file__).parents[2]
FIT = """
import numpy as np, tensorflow as tf
model = tf.keras.Sequential([tf.keras.layers.Dense(4, activation="relu"), tf.keras.layers.Dense(1)])
model.compile("adam", "mse")
history = model.fit(np.ones((32, 3), "float32"), np.ones((32, 1), "float32"), epochs=1, verbose=0)
print(tf.__version__, len(history.history["loss"]))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """This repository's manifest and locks in another folder, built with the user's own cache."""
    project = Project(tmp_path_factory.mktemp("tensorflow"), manifest=None)
    for name in ("envlock.toml", "pyproject.toml"):
        shutil.copy(ROOT / name, project.folder)
    shutil.copytree(ROOT / "lockfiles", project.folder / "lockfiles", ignore=shutil.ignore_patterns("wheels", "built"))
    project.ok("build", "tf25", "tf26")
    return project


def test_locks_are_fresh(project: Project) -> None:
    """The committed locks follow from the committed manifest and recipes."""
    assert project.run("--offline", "lock", "--check").code == 0


def test_committed_sums_hold(project: Project) -> None:
    """What was built here is what the committed envlock.sum vouches for."""
    assert (project.folder / "lockfiles/envlock.sum").read_bytes() == (ROOT / "lockfiles/envlock.sum").read_bytes()


def test_own_image_matches(project: Project) -> None:
    """quick by the image's digest, full by every byte of it."""
    assert project.run("verify", "tf25", "--image", "oci:.envlock/images/tf25").code == 0
    full = project.run("verify", "tf25", "--image", "oci:.envlock/images/tf25", "--full", "--json")
    assert full.code == 0, full.out
    assert full.json["verdict"] == "match"


def test_other_image_drifts_and_says_why(project: Project) -> None:
    """The first finding is the framework: expected 2.5.0, found 2.6.0, it changes results."""
    done = project.run("verify", "tf25", "--image", "oci:.envlock/images/tf26", "--json")
    assert done.code == 1
    first = done.json["findings"][0]
    assert (first["subject"], first["expected"], first["found"], first["impact"]) == (
        "tensorflow",
        "2.5.0",
        "2.6.0",
        "results",
    )
    assert "RandomFlip" in first["why"]


def test_diff_names_the_framework_first(project: Project) -> None:
    """Two locks differ first in what decides results, and the known change is told."""
    done = project.ok("diff", "tf25", "tf26", "--json")
    changes = done.json["changes"]
    assert changes[0]["impact"] == "results"
    framework = next(change for change in changes if change["subject"] == "tensorflow")
    assert (framework["before"], framework["after"]) == ("2.5.0", "2.6.0")
    assert any("RandomFlip" in fact["text"] for fact in framework["facts"])


@pytest.mark.engine
@pytest.mark.parametrize(("env", "version"), [("tf25", "2.5.0"), ("tf26", "2.6.0")])
def test_trains_in_an_engine(project: Project, engine: str, env: str, version: str) -> None:
    """The image trains as root, and as a user without privilege on a read-only root; no import writes bytecode."""
    project.ok("build", env, "-o", "engine", "-t", f"{env}:test", environment={"DOCKER_HOST": engine})
    docker = ["docker", "-H", engine]
    container = ["run", "--network", "none"]
    for options in ([], ["--user", "1000", "--read-only", "--tmpfs", "/tmp"]):
        run = [*docker, *container, "--rm", *options, f"{env}:test", "python", "-c", FIT]
        said = subprocess.run(run, capture_output=True, text=True, check=True)
        assert said.stdout.split() == [version, "1"]
    run = [*docker, *container, "--name", env, f"{env}:test", "python", "-c", "import tensorflow"]
    subprocess.run(run, check=True, capture_output=True)
    changed = subprocess.run([*docker, "diff", env], capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line for line in changed if ".pyc" in line and "/tmp/" not in line] == []


@pytest.fixture(scope="module")
def venv(project: Project) -> Iterator[Path]:
    """A virtual environment of tf25, synced once."""
    if not sorted(Path.home().glob(".pyenv/versions/3.9.*")) and shutil.which("python3.9") is None:
        pytest.skip("no CPython 3.9 on this machine")
    project.ok("sync", "tf25")
    yield project.folder / ".venv-tf25"


def test_flipped_bytes_are_found_and_named(project: Project, venv: Path) -> None:
    """One flipped byte in any installed file is exit 4, and the file is named; put back, all matches."""
    clean = project.run("verify", "tf25", "--full")
    assert clean.code == 0, clean.out
    site = venv / "lib" / "python3.9" / "site-packages"
    listed = [
        (site / line.split(",")[0]).resolve()
        for record in sorted(site.glob("*.dist-info/RECORD"))
        for line in record.read_text("utf-8").splitlines()
    ]
    files = [path for path in listed if path.is_file() and path.stat().st_size]
    for path in random.Random(25).sample(files, 12):
        raw = path.read_bytes()
        at = len(raw) // 2
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
        try:
            done = project.run("verify", "tf25", "--full", "--json")
            assert done.code == 4, (path, done.out)
            assert path.name in done.out, path
        finally:
            path.write_bytes(raw)
            os.utime(path)
    assert project.run("verify", "tf25", "--full").code == 0


def test_the_demonstration_is_found_before_it_trains(project: Project, venv: Path) -> None:
    """The example's own probes agree between two runs of 2.5, and all of them differ between 2.5 and 2.6."""
    project.ok("sync", "tf26")
    source = project_source(
        {name: f"probes:{name}" for name in ("first_batch", "three_steps")}, ROOT / "examples" / "augmentation"
    )

    def digests(folder: Path) -> list[str | None]:
        suite = run_suite(PythonProbing(folder / "bin" / "python"), source, {"canonical": canonical(os.environ, "cpu")})
        assert suite.loaded == "ok", suite.reason
        return [probe.answers["canonical"].sha256 for probe in suite.probes]

    expected = digests(venv)
    assert None not in expected
    assert digests(venv) == expected
    for one, other in zip(expected, digests(project.folder / ".venv-tf26"), strict=True):
        assert one != other is not None


def test_the_teammate_with_another_framework_is_odd(
    project: Project, venv: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Of three clones one has TensorFlow 2.6, and another other threads: each is found, on that."""
    project.ok("sync", "tf26")
    team = make_team(project, tmp_path_factory.mktemp("team"), "ana", "ben", "cem")
    threads = {"ana": "4", "ben": "16", "cem": "4"}
    for each in team:
        python = project.folder / ".venv-tf26" if each.name == "cem" else venv
        each.share_report("tf25", "--python", str(python), environment={"OMP_NUM_THREADS": threads[each.name]})
    ana = team[0]
    ana.clone.git("pull", "-q", "--rebase", "origin", "main")
    odd = odd_ones(ana, "lockfiles/reports/tf25")
    assert set(odd) == {"ben", "cem"}
    assert "threads" in odd["ben"]
    assert "tensorflow" not in odd["ben"]
    assert "tensorflow" in odd["cem"]
