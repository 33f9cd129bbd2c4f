"""An air gap: what `fetch --to` carried over is all that lock --check, build, sync and verify need."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.project import Project, Result

pytestmark = pytest.mark.network

MANIFEST = """\
[env.ext]
python = "3.9"
dependencies = ["wrapt==1.12.1", "six==1.15.0"]
as-of = "2021-05-15"

[env.ext.image]
base = "debian-bullseye-python3.9"
"""
NO_ROUTE = ("unshare", "--user", "--map-root-user", "--net")


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a C extension that only has an sdist, fetched into a folder on a machine with a network."""
    folder = tmp_path_factory.mktemp("near")
    project = Project(folder / "project", MANIFEST, cache=folder / "cache")
    project.ok("lock")
    project.ok("fetch", "--to", str(folder / "carried"))
    return project


@pytest.fixture
def carried(near: Project) -> Path:
    return near.folder.parent / "carried"


class Far(Project):
    """The same project on a machine that no network reaches."""

    def __init__(self, near: Project, folder: Path, *, cache: Path) -> None:
        super().__init__(folder / "project", None, cache=cache)
        self.uv_cache = folder / "uv"
        shutil.copy2(near.folder / "envlock.toml", self.folder)
        (self.folder / "lockfiles").mkdir()
        shutil.copy2(near.lock_path("ext"), self.folder / "lockfiles")

    def run(self, *arguments: str, environment: dict[str, str] | None = None) -> Result:
        """Run envlock where there is no route."""
        command = (*NO_ROUTE, sys.executable, "-m", "envlock", *arguments)
        return self.run_command(*command, environment={"UV_CACHE_DIR": str(self.uv_cache), **(environment or {})})


def all_but_images(far: Far) -> None:
    assert far.run("lock", "--check").code == 0
    for arguments in (("sync",), ("verify", "--full")):
        for offline in ((), ("--offline",)):
            far.ok(*offline, *arguments)
    assert far.run("sync", "--check").code == 0


def held(folder: Path) -> set[str]:
    """Return the artifacts of a cache, or of what was carried."""
    return {str(path.relative_to(folder)) for path in folder.glob("files/*/*")}


def test_fetched_from_the_folder(near: Project, carried: Path, tmp_path: Path) -> None:
    """Into an empty cache, which then holds all that was carried."""
    far = Far(near, tmp_path, cache=tmp_path / "cache")
    refused = far.run("--offline", "sync")
    assert (refused.code, "envlock fetch --from" in refused.err) == (2, True)
    far.ok("--offline", "fetch", "--from", str(carried))
    assert held(tmp_path / "cache") >= held(carried)
    all_but_images(far)


def test_folder_as_the_cache(near: Project, carried: Path, tmp_path: Path) -> None:
    """Nothing needs to be copied; the image has the digest that it has anywhere else."""
    shutil.copytree(carried, tmp_path / "carried", copy_function=os.link)
    far = Far(near, tmp_path, cache=tmp_path / "carried")
    all_but_images(far)
    for offline in ((), ("--offline",)):
        far.ok(*offline, "build")
    assert far.run("verify", "--full", "--image", "oci:.envlock/images/ext").code == 0
    near.ok("build")
    sums = [(project.folder / "lockfiles/envlock.sum").read_bytes() for project in (near, far)]
    assert sums[0] == sums[1]


def test_the_wheel_can_be_built_again(near: Project, carried: Path, tmp_path: Path) -> None:
    """The sdist and what it is built with travel too."""
    shutil.copytree(carried, tmp_path / "carried")
    (wheel,) = (tmp_path / "carried").glob("files/*/wrapt-*.whl")
    shutil.rmtree(wheel.parent)
    far = Far(near, tmp_path, cache=tmp_path / "carried")
    far.ok("--offline", "sync")
    far.ok("verify", "--full")
    assert wheel.is_file()


def test_truncated_file(near: Project, carried: Path, tmp_path: Path) -> None:
    """It is named, exit 4; fetching again over the same folder brings what is missing and nothing else."""
    folder = tmp_path / "carried"
    shutil.copytree(carried, folder)
    (wheel,) = folder.glob("files/*/six-*.whl")
    os.truncate(wheel, wheel.stat().st_size - 1)
    far = Far(near, tmp_path, cache=tmp_path / "cache")
    cut = far.run("--offline", "fetch", "--from", str(folder))
    assert (cut.code, "[damaged-artifact]" in cut.err, wheel.name in cut.err) == (4, True, True)
    again = near.ok("fetch", "--to", str(folder), "--json")
    assert again.json["fetched"][0]["copied"] == wheel.stat().st_size
    far.ok("--offline", "fetch", "--from", str(folder))


def test_interrupted_fetch(near: Project, tmp_path: Path) -> None:
    """Whatever a killed copy left behind, the next one completes."""
    folder = tmp_path / "carried"
    command = [sys.executable, "-m", "envlock", "fetch", "--to", str(folder)]
    process = subprocess.Popen(
        command,
        cwd=near.folder,
        env=os.environ | {"ENVLOCK_CACHE_DIR": str(near.cache)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not any(folder.glob("files/*/*")):
        pass
    process.kill()
    process.wait()
    near.ok("fetch", "--to", str(folder))
    far = Far(near, tmp_path, cache=tmp_path / "cache")
    far.ok("--offline", "fetch", "--from", str(folder))


def test_missing_files_are_named(near: Project, tmp_path: Path) -> None:
    """An empty folder is of no use, and says so."""
    (tmp_path / "empty").mkdir()
    far = Far(near, tmp_path, cache=tmp_path / "cache")
    result = far.run("--offline", "fetch", "--from", str(tmp_path / "empty"))
    assert (result.code, "[not-in-folder]" in result.err) == (2, True)
    assert "envlock fetch --to empty" in result.err
