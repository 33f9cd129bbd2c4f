"""Run steps with a real Engine: executed when they are locked, the difference carried into the image, never again."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import socket
import subprocess
import tarfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.project import Project, Result
from tests.integration.test_registry import registry  # noqa: F401 - a fixture
from tests.integration.test_registry_base import base  # noqa: F401 - a fixture

pytestmark = [pytest.mark.engine, pytest.mark.network]

MANIFEST = """\
[env.small]
python = "3.11"
dependencies = ["click==8.1.7", "pyyaml==6.0.2"]
as-of = "2025-01-01"

[env.small.image]
base = "{base}"
run = [
{steps}
]
"""
RECIPE = "debian-bookworm-python3.11"
STEPS = (
    "echo hi > /etc/marker && rm /usr/share/doc/grep/copyright",
    "mkdir -m 2775 -p /srv/models && chown 1000:50 /srv/models && ln /etc/marker /srv/models/link",
    "echo ana:x:1000:1000::/home/ana:/bin/sh >> /etc/passwd && rm -r /usr/share/doc/tar",
    "date > /var/log/when; hostname > /tmp/who; python3.11 -c 'import xml.dom.minidom'; echo $$ > /run/pid",
)


def written(folder: Path, *steps: str, base: str = RECIPE) -> None:  # noqa: F811
    rows = "\n".join(f"    {json.dumps(step)}," for step in steps)
    (folder / "envlock.toml").write_text(MANIFEST.format(base=base, steps=rows), "utf-8")


@pytest.fixture(scope="module")
def project(built: Project, engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project whose steps are locked, with the small project's cache."""
    folder = tmp_path_factory.mktemp("steps")
    cache = tmp_path_factory.mktemp("cache") / "cache"
    shutil.copytree(built.cache or Path(), cache, symlinks=True)
    found = Project(folder, None, cache=cache)
    written(folder, *STEPS)
    run(found, engine, "lock")
    yield found


def run(project: Project, url: str, *arguments: str, code: int = 0, **environment: str) -> Result:
    """Run envlock with this Engine and the host's network, for the Engine has no bridge."""
    result = project.run(*arguments, environment={"DOCKER_HOST": url, "ENVLOCK_RUN_NETWORK": "host"} | environment)
    assert result.code == code, result.err + result.out
    return result


def locked(project: Project) -> Any:
    return tomllib.loads(project.lock_path().read_text("utf-8"))["tool"]["envlock"]["base"]


def blob(project: Project) -> Path:
    (row,) = locked(project)["run-layers"]
    assert project.cache is not None
    return project.cache / "files" / str(row["sha256"]) / "run.tar.gz"


def entries(path: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(path.read_bytes()))) as archive:
        return {member.name: member for member in archive}


def docker(url: str, *arguments: str) -> str:
    done = subprocess.run(["docker", "-H", url, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def test_the_difference_is_what_the_steps_changed(project: Project) -> None:
    """Files, links, owners, modes and whiteouts, and nothing that the container left behind."""
    found = entries(blob(project))
    assert {name for name, each in found.items() if not each.isdir()} == {
        "etc/marker",
        "etc/passwd",
        "srv/models/link",
        "usr/share/doc/.wh.tar",
        "usr/share/doc/grep/.wh.copyright",
    }
    assert (found["srv/models"].mode, found["srv/models"].uid, found["srv/models"].gid) == (0o2775, 1000, 50)
    assert found["srv/models/link"].linkname == "etc/marker"
    assert {(each.mtime, each.uname, each.gname) for each in found.values()} == {(315_532_800, "", "")}
    assert locked(project)["run"] == list(STEPS)


def test_the_lock_keeps_a_copy_beside_it(project: Project) -> None:
    """Nothing else makes these bytes again, and caches are emptied."""
    (row,) = locked(project)["run-layers"]
    assert (project.folder / "lockfiles" / row["path"]).read_bytes() == blob(project).read_bytes()


def test_nothing_of_this_machine_is_in_it(project: Project) -> None:
    """No host name, no name of the Engine's container, no path of this machine."""
    raw = gzip.decompress(blob(project).read_bytes())
    for secret in (socket.gethostname(), str(project.folder), str(project.cache), "docker"):
        assert secret.encode() not in raw


def test_a_relock_executes_nothing(project: Project) -> None:
    """No Engine is needed, and the bytes of the lock are the same; --check says fresh."""
    before = project.lock_path().read_bytes()
    result = run(project, "unix:///nowhere/docker.sock", "lock")
    assert project.lock_path().read_bytes() == before
    assert "|" not in result.err
    project.ok("lock", "--check")


def test_two_runs_of_the_same_steps_are_one_layer(project: Project, engine: str) -> None:
    """--rebuild executes them again and says so; nothing is left in the Engine."""
    before = project.lock_path().read_bytes()
    result = run(project, engine, "lock", "--rebuild")
    assert "run came out the same for linux/amd64" in result.err
    assert project.lock_path().read_bytes() == before
    assert docker(engine, "ps", "-aq") == ""
    assert "envlock-run" not in docker(engine, "images", "-a")


def test_the_image_holds_what_the_steps_changed(project: Project, engine: str) -> None:
    """Built without the steps being executed again, and run by an Engine that has never seen them."""
    run(project, "unix:///nowhere/docker.sock", "build", "-o", "docker-archive:image.tar")
    loaded = docker(engine, "load", "-i", str(project.folder / "image.tar")).split()[-1]
    code = (
        "import os, yaml; print(open('/etc/marker').read().strip(), os.path.exists('/usr/share/doc/grep/copyright'), "
        "os.path.exists('/usr/share/doc/tar'), oct(os.stat('/srv/models').st_mode), os.stat('/etc/marker').st_nlink)"
    )
    said = docker(engine, "run", "--rm", "--network=none", loaded, "python", "-c", code)
    assert said.split() == ["hi", "False", "False", "0o42775", "2"]


def test_a_fresh_machine_builds_from_what_was_fetched(project: Project, tmp_path: Path) -> None:
    """The blob travels with the other artifacts; without it the build says who may have it."""
    project.ok("fetch", "--to", str(tmp_path / "gap"))
    row = locked(project)["run-layers"][0]
    assert (project.folder / "lockfiles" / row["path"]).read_bytes() == blob(project).read_bytes()
    shutil.rmtree(project.folder / "lockfiles/built")
    other = Project(tmp_path / "other", None, cache=tmp_path / "cache")
    shutil.copytree(project.folder / "lockfiles", other.folder / "lockfiles")
    shutil.copy(project.folder / "envlock.toml", other.folder)
    result = other.run("build")
    assert result.code == 2
    assert "[no-run-layer]" in result.err
    other.ok("--offline", "fetch", "--from", str(tmp_path / "gap"))
    other.ok("--offline", "build")


@pytest.fixture
def failing(project: Project, tmp_path: Path) -> Project:
    """Another project with the same cache and the lock so far, so that its packages stay."""
    found = Project(tmp_path / "failing", None, cache=project.cache)
    shutil.copytree(project.folder / "lockfiles", found.folder / "lockfiles")
    return found


def test_a_failing_step_locks_nothing(failing: Project, engine: str) -> None:
    """The step, its status and its last lines are told; the Engine is left clean, and the lock as it was."""
    before = failing.lock_path().read_bytes()
    written(failing.folder, "true", "echo first; echo no such thing >&2; exit 7", "touch /never")
    result = run(failing, engine, "lock", code=2)
    for text in ("[run-failed]", "step 2 of 3: echo first", "exit status 7", "no such thing"):
        assert text in result.err
    assert failing.lock_path().read_bytes() == before
    assert docker(engine, "ps", "-aq") == ""
    assert "envlock-run" not in docker(engine, "images", "-a")


def test_a_dry_run_and_no_build_execute_nothing(failing: Project) -> None:
    """No Engine is asked."""
    before = failing.lock_path().read_bytes()
    written(failing.folder, "touch /a")
    result = run(failing, "unix:///nowhere/docker.sock", "lock", "--dry-run")
    assert "1 step of run would be executed" in result.err
    assert "[run-refused]" in run(failing, "unix:///nowhere/docker.sock", "lock", "--no-build", code=2).err
    found = run(failing, "unix:///nowhere/docker.sock", "lock", code=2)
    assert "[no-engine]" in found.err
    assert "Start Docker" in found.err
    assert failing.lock_path().read_bytes() == before


def test_bytecode_is_proven_beside_what_steps_made(failing: Project, engine: str) -> None:
    """Modules that steps brought or changed are the lock's, by their layer's digest: no alarm, and no other batch."""
    folder = "/usr/lib/python3/dist-packages"
    written(
        failing.folder,
        f"echo 'x = 1' > {folder}/hi.py && python3.11 -m py_compile {folder}/hi.py",
        "echo '# more' >> /usr/lib/python3.11/this.py",
    )
    run(failing, engine, "lock")
    assert any("__pycache__/hi." in name for name in entries(blob(failing)))
    failing.ok("build")
    result = failing.ok("verify", "--image", "oci:.envlock/images/small", "--full", "--recompile", "--json")
    assert [finding["rule"] for finding in result.json["findings"]] == ["bytecode-recompiled"]


def test_a_platform_that_the_engine_cannot_run(failing: Project, engine: str) -> None:
    """Not being able to execute is no verdict on the steps."""
    written(failing.folder, "touch /a")
    manifest = failing.folder / "envlock.toml"
    text = manifest.read_text("utf-8").replace('python = "3.11"\n', 'python = "3.11"\nplatforms = ["linux/arm64"]\n')
    manifest.write_text(text.replace("run = [", "bytecode = false\nrun = ["), "utf-8")
    if Path("/proc/sys/fs/binfmt_misc/qemu-aarch64").exists():
        pytest.skip("this machine emulates arm64")
    assert "[foreign-architecture]" in run(failing, engine, "lock", code=3).err


def test_what_the_steps_see(failing: Project, engine: str) -> None:
    """Root, no input, an environment that says nothing of this machine, and the network that was asked for.

    Steps that change nothing are a layer of nothing.
    """
    written(
        failing.folder,
        "test $(id -u) = 0 && test $(hostname) = envlock && test $(pwd) = / && ! read -r line",
        "env | cut -d= -f1 | sort | tr '\\n' ' '",
        "ls /sys/class/net | tr '\\n' ' '",
    )
    result = run(failing, engine, "lock", SECRET="hush", ENVLOCK_RUN_NETWORK="none")
    assert "| DEBIAN_FRONTEND HOME HOSTNAME PATH PWD SOURCE_DATE_EPOCH" in result.err
    assert "| lo" in result.err
    assert entries(blob(failing)) == {}


def test_steps_on_a_base_from_a_registry(failing: Project, engine: str, base: str) -> None:  # noqa: F811
    """Its layers and the OS packages above it are what the steps are executed on."""
    written(failing.folder, "test -x /usr/bin/jq && jq --version > /etc/jq && apt --version || true", base=base)
    manifest = failing.folder / "envlock.toml"
    manifest.write_text(manifest.read_text("utf-8").replace("run = [", 'os-packages = ["jq"]\nrun = ['), "utf-8")
    run(failing, engine, "lock")
    found = entries(blob(failing))
    assert "etc/jq" in found
    assert not [name for name in found if name.startswith("usr/bin")]
    run(failing, engine, "build", "-o", "docker-archive:image.tar")
    loaded = docker(engine, "load", "-i", str(failing.folder / "image.tar")).split()[-1]
    assert docker(engine, "run", "--rm", "--network=none", loaded, "cat", "/etc/jq").startswith("jq-1.")
