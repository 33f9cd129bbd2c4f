"""Images on bases from a registry, end to end: laid out, run by an Engine, with OS packages above the base."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from envlock.formats.oci import INDEX, LAYER, MANIFEST, Descriptor, Layout
from tests.integration.dpkg_base import push_dpkg_base
from tests.integration.project import Project
from tests.integration.test_registry import registry, required  # noqa: F401
from tests.integration.test_registry_base import base, project, raw_manifest  # noqa: F401

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def docker_base(base: str) -> str:  # noqa: F811
    """The same base as docker pushes it: its own media types, and no index."""
    reference = f"{base.rpartition(':')[0]}:docker"
    subprocess.run(
        [required("skopeo"), "copy", "--quiet", "--format=v2s2", "--override-os=linux", "--override-arch=amd64",
         "--src-tls-verify=false", "--dest-tls-verify=false", f"docker://{base}", f"docker://{reference}"],
        check=True,
    )  # fmt: skip
    return reference


@pytest.fixture(scope="module")
def top(built: Project, base: str, tmp_path_factory: pytest.TempPathFactory) -> Project:  # noqa: F811
    """A project on that base, with a library and a tool of Debian above it."""
    found = project(built, tmp_path_factory.mktemp("top"), base, "libgomp1", "file")
    found.ok("lock")
    found.ok("build")
    return found


def layout(project: Project) -> tuple[Descriptor, Any, Any]:
    """Return the descriptor of the image's index, its manifest of one platform and that one's configuration."""
    folder = Layout(project.folder / ".envlock/images/top")
    (index,) = folder.top().manifests
    (manifest,) = folder.indexes(index).manifests
    document = json.loads(folder.blob(manifest))
    config = json.loads(
        folder.blob(Descriptor(media_type="", **{k: document["config"][k] for k in ("digest", "size")}))
    )
    return index, document, config


def test_the_base_is_carried_on(top: Project, base: str) -> None:  # noqa: F811
    """Layers verbatim and lowest, history and settings as they were, our Python first on PATH, the base by name."""
    index, manifest, config = layout(top)
    assert index.media_type == INDEX
    assert manifest["mediaType"] == MANIFEST
    digest = json.loads(raw_manifest(base))["manifests"][0]["digest"]
    below = json.loads(raw_manifest(f"{base.rpartition(':')[0]}@{digest}"))
    count = len(below["layers"])
    assert manifest["layers"][:count] == below["layers"]
    assert manifest["annotations"]["org.opencontainers.image.base.name"] == base
    assert manifest["annotations"]["org.opencontainers.image.base.digest"] == digest
    comments = [entry["comment"] for entry in config["history"]]
    assert len(comments) == len(manifest["layers"]) == len(config["rootfs"]["diff_ids"])
    assert comments[0].startswith("debian-bookworm-python3.11, ")
    assert comments[count:][0] == "virtual environment of Python 3.11.2"
    assert "libgomp1" in comments[-2]
    assert comments[-1] == "lock of top"
    environment = dict(line.split("=", 1) for line in config["config"]["Env"])
    assert environment["PATH"].startswith("/opt/venv/bin:")
    assert environment["VIRTUAL_ENV"] == "/opt/venv"
    assert config["config"]["Cmd"] == ["python"]


def test_two_machines_build_the_same(top: Project, built: Project, tmp_path: Path) -> None:
    """From a cache that has nothing, the same index; envlock.sum vouches for our layers and for none of the base's."""
    other = Project(tmp_path / "other", (top.folder / "envlock.toml").read_text("utf-8"), cache=tmp_path / "cache")
    (other.folder / "lockfiles").mkdir()
    other.lock_path("top").write_bytes(top.lock_path("top").read_bytes())
    other.ok("build")
    assert layout(other)[0].digest == layout(top)[0].digest
    sums = (top.folder / "lockfiles/envlock.sum").read_text("utf-8")
    assert (other.folder / "lockfiles/envlock.sum").read_text("utf-8") == sums
    _, manifest, config = layout(top)
    carried = sum("libgomp1" not in row["comment"] for row in config["history"]) - 3
    assert sum(line.startswith("layer ") for line in sums.splitlines()) == len(manifest["layers"]) - carried


def test_docker_media_types_become_those_of_oci(
    built: Project,
    docker_base: str,
    tmp_path: Path,
) -> None:
    """As docker's own exporters convert them: the same blobs under OCI's names."""
    found = project(built, tmp_path / "docker", docker_base)
    found.ok("lock")
    found.ok("build")
    below = json.loads(raw_manifest(docker_base))
    assert below["layers"][0]["mediaType"] == "application/vnd.docker.image.rootfs.diff.tar.gzip"
    _, manifest, _ = layout(found)
    assert {layer["mediaType"] for layer in manifest["layers"]} == {LAYER}
    assert [layer["digest"] for layer in below["layers"]] == [
        layer["digest"] for layer in manifest["layers"][: len(below["layers"])]
    ]


def test_the_packages_layer_changes_no_link_of_the_base(top: Project) -> None:
    """/lib stays the link that it is: nothing is written under a name that the base has as a link."""
    _, manifest, config = layout(top)
    number = next(n for n, row in enumerate(config["history"]) if "libgomp1" in row["comment"])
    blob = Layout(top.folder / ".envlock/images/top").blob_path(manifest["layers"][number]["digest"])
    with tarfile.open(blob) as archive:
        members = {member.name: member for member in archive}
    assert not {name.split("/")[0] for name in members} - {"usr", "etc", "var"}
    assert "usr/lib/x86_64-linux-gnu/libgomp.so.1" in members
    assert "usr" not in members
    assert "usr/lib" not in members
    assert "etc/ld.so.cache" in members


@pytest.mark.engine
def test_an_engine_runs_it(top: Project, engine: str) -> None:
    """Python of the environment, a library found through ld.so.cache, and packages that dpkg knows with their files."""
    environment = {"DOCKER_HOST": engine}
    top.ok("build", "-o", "engine", "-t", "top:1", environment=environment)

    def run(*command: str) -> str:
        docker = ["docker", "-H", engine, "run", "--rm", "--network", "none", "top:1", *command]
        return subprocess.run(docker, check=True, capture_output=True, text=True).stdout

    code = "import ctypes, click, sys; ctypes.CDLL('libgomp.so.1'); ctypes.CDLL('libmagic.so.1'); print(sys.prefix)"
    assert run("python", "-c", code).strip() == "/opt/venv"
    # The base is an environment image itself: what it has installed is not the lock's.
    assert run("python", "-c", "import importlib.util as u; print(u.find_spec('yaml'))").strip() == "None"
    assert run("file", "-b", "/opt/venv/pyvenv.cfg").strip() == "ASCII text"
    listed = run("sh", "-c", "cat /var/lib/dpkg/status.d/libgomp1 /var/lib/dpkg/info/libgomp1:amd64.list")
    assert "Status: install ok installed" in listed
    assert "/usr/lib/x86_64-linux-gnu/libgomp.so.1" in listed


@pytest.mark.engine
def test_dpkg_knows_what_is_above_it(
    built: Project,
    registry: str,  # noqa: F811
    engine: str,
    tmp_path: Path,
) -> None:
    """`dpkg -l`, `-L` and `--verify` in a container on a base that has dpkg, as images of Debian do."""
    reference = push_dpkg_base(tmp_path / "below", built.cache, f"{registry}/team/dpkg:1")
    found = project(built, tmp_path / "top", reference, "libgomp1", "file", "fontconfig")
    found.ok("lock")
    found.ok("build", "-o", "engine", "-t", "dpkg:1", environment={"DOCKER_HOST": engine})

    def run(*command: str) -> str:
        docker = ["docker", "-H", engine, "run", "--rm", "--network", "none", "dpkg:1", *command]
        return subprocess.run(docker, check=True, capture_output=True, text=True).stdout

    listed = {line.split()[1]: line.split()[0] for line in run("dpkg", "-l").splitlines()[5:]}
    assert {listed[name] for name in ("libgomp1:amd64", "file", "fontconfig", "libmagic1:amd64", "libc6:amd64")} == {
        "ii"
    }
    assert "/usr/bin/file" in run("dpkg", "-L", "file").splitlines()
    assert run("dpkg", "-S", "/etc/magic").strip() == "libmagic1:amd64: /etc/magic"
    assert run("dpkg", "--verify", "file", "libmagic1", "libgomp1", "fontconfig-config") == ""
    # The base of this test lacks md5sums, which an audit says; of what is above it, it says nothing.
    audited = {line.split()[0] for line in run("dpkg", "--audit").splitlines() if line.startswith(" ")}
    assert audited.isdisjoint({"file", "libmagic1:amd64", "libgomp1:amd64", "fontconfig", "fontconfig-config"})
    libraries = ["libgomp.so.1", "libmagic.so.1", "libfontconfig.so.1", "libexpat.so.1"]
    code = f"import ctypes; [ctypes.CDLL(name) for name in {libraries}]; print('all')"
    assert run("python", "-c", code).strip() == "all"
