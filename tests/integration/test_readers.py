"""Programs that envlock had no hand in read its images, and find what the lock says."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from uv import find_uv_bin

from envlock.formats.pylock import read_lock
from tests.integration.podman_fixture import podman, settings
from tests.integration.programs import need
from tests.integration.project import Project
from tests.unit.images import AMD64

pytestmark = pytest.mark.network


class Built(msgspec.Struct, frozen=True):
    """The layout that build wrote, as its own JSON says, without a line of envlock's reading code."""

    project: Project
    layout: Path
    tag: str
    index: str
    manifest: dict[str, Any]
    manifest_digest: str
    config: dict[str, Any]

    @property
    def source(self) -> str:
        """The image as skopeo and podman call it."""
        return f"oci:{self.layout}:{self.tag}"

    def blob(self, digest: str) -> Path:
        """Return the file of a blob."""
        return self.layout / "blobs" / digest.replace(":", "/")


@pytest.fixture(scope="module")
def image(built: Project) -> Built:
    """The small image."""
    layout = built.folder / ".envlock/images/small"

    def blob(digest: str) -> Any:
        return json.loads((layout / "blobs" / digest.replace(":", "/")).read_bytes())

    top = json.loads((layout / "index.json").read_bytes())["manifests"][0]
    manifest_digest = blob(top["digest"])["manifests"][0]["digest"]
    manifest = blob(manifest_digest)
    return Built(
        project=built,
        layout=layout,
        tag=top["annotations"]["org.opencontainers.image.ref.name"],
        index=top["digest"],
        manifest=manifest,
        manifest_digest=manifest_digest,
        config=blob(manifest["config"]["digest"]),
    )


@pytest.fixture(scope="module")
def archive(image: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same image as build writes it for docker load."""
    path = tmp_path_factory.mktemp("archive") / "image.tar"
    image.project.ok("build", "-t", "envlock-test:1", "-o", f"docker-archive:{path}")
    return path


@pytest.fixture(scope="module")
def rootfs(image: Built) -> Iterator[Path]:
    """The files, as umoci unpacks them."""
    need("umoci", root=True)
    with tempfile.TemporaryDirectory(prefix="envlock-umoci.") as name:
        said("umoci", "unpack", "--image", f"{image.layout}:{image.tag}", f"{name}/bundle")
        yield Path(name, "bundle/rootfs")


def said(*command: object, environment: dict[str, str] | None = None) -> str:
    """Return what a program printed; it has to succeed."""
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def layers_of(image: Built) -> list[str]:
    return [layer["digest"] for layer in image.manifest["layers"]]


def test_skopeo_inspects_it(image: Built) -> None:
    """Digest, layers and labels."""
    need("skopeo")
    seen = json.loads(said("skopeo", "inspect", image.source))
    assert (seen["Digest"], seen["Layers"]) == (image.index, layers_of(image))
    assert seen["Labels"] == image.config["config"]["Labels"]
    assert (seen["Os"], seen["Architecture"]) == ("linux", "amd64")


def test_skopeo_copies_it_whole(image: Built, tmp_path: Path) -> None:
    """Into another layout: the index digest stays, and every blob was checked on the way."""
    need("skopeo")
    said("skopeo", "copy", "--all", image.source, f"oci:{tmp_path}/copy:x")
    top = json.loads((tmp_path / "copy/index.json").read_bytes())["manifests"][0]
    assert top["digest"] == image.index


def test_skopeo_turns_it_into_docker_and_back(image: Built, tmp_path: Path) -> None:
    """Another compression, the same files: each diff ID is computed anew on the way, and stays."""
    need("skopeo")
    said("skopeo", "copy", image.source, f"docker-archive:{tmp_path}/image.tar:envlock-test:1")
    said("skopeo", "copy", f"docker-archive:{tmp_path}/image.tar", f"oci:{tmp_path}/back:x")
    config = json.loads(said("skopeo", "inspect", "--config", f"oci:{tmp_path}/back:x"))
    assert config["rootfs"] == image.config["rootfs"]
    assert config["config"] == image.config["config"]
    assert len(config["history"]) == len(image.config["history"])


def test_skopeo_reads_our_docker_archive(image: Built, archive: Path) -> None:
    """The same configuration, so the same image ID."""
    need("skopeo")
    config = said("skopeo", "inspect", "--config", "--raw", f"docker-archive:{archive}")
    assert json.loads(config) == image.config


def test_the_schemas_of_the_specification_accept_it(image: Built) -> None:
    """By the validator of the Open Containers Initiative: index, manifest, configuration, and the layout as a whole."""
    need("oci-image-tool")
    documents = [
        ("imageIndex", image.layout / "index.json"),
        ("imageIndex", image.blob(image.index)),
        ("manifest", image.blob(image.manifest_digest)),
        ("config", image.blob(image.manifest["config"]["digest"])),
    ]
    for kind, path in documents:
        said("oci-image-tool", "validate", "--type", kind, path)
    said("oci-image-tool", "validate", "--type", "image", "--ref", f"name={image.tag}", image.layout)


def test_umoci_unpacks_it(image: Built, rootfs: Path) -> None:
    """With the modes of Debian's packages."""
    assert (rootfs / "opt/venv/bin/python").is_symlink()
    assert (rootfs / "tmp").stat().st_mode & 0o7777 == 0o1777
    assert (rootfs / "root").stat().st_mode & 0o7777 == 0o700
    lock = image.project.lock_path().read_bytes()
    assert (rootfs / "opt/envlock/pylock.small.toml").read_bytes() == lock


def test_dpkg_finds_the_packages(image: Built, rootfs: Path, tmp_path: Path) -> None:
    """As scanners do it: each file of status.d is an entry of dpkg's database, and dpkg itself reads them."""
    need("dpkg-query")
    folder = rootfs / "var/lib/dpkg"
    own = [path for path in sorted((folder / "status.d").iterdir()) if not path.name.endswith(".md5sums")]
    entries = [path.read_text().strip() for path in own]
    status = folder / "status"
    entries += [status.read_text().strip()] if status.is_file() else []
    (tmp_path / "status").write_text("\n\n".join(entries) + "\n")
    rows = said("dpkg-query", f"--admindir={tmp_path}", "-W", "-f", "${Package} ${Version} ${Architecture}\n")
    base = read_lock(image.project.lock_path()).lock.base
    assert base is not None
    assert sorted(rows.splitlines()) == sorted(f"{d.name} {d.version} {d.architecture}" for d in base.of(AMD64))


def test_podman_loads_and_runs_it(image: Built, archive: Path) -> None:
    """Under the digest that build printed."""
    need("podman", root=True)
    folder = Path(tempfile.mkdtemp(prefix="envlock-podman."))
    own, environment = podman(folder), settings(folder)
    try:
        said(*own, "load", "--quiet", "--input", archive, environment=environment)
        found = json.loads(said(*own, "image", "inspect", "envlock-test:1", environment=environment))[0]
        assert f"sha256:{found['Id']}" == image.manifest["config"]["digest"]
        run = [*own, "run", "--rm", "--network=none", found["Id"]]
        script = "import yaml, click; print(yaml.__version__, click.__file__)"
        printed = said(*run, "python", "-c", script, environment=environment)
        assert printed == "6.0.2 /opt/venv/lib/python3.11/site-packages/click/__init__.py\n"
    finally:
        subprocess.run(["umount", str(folder / "root/overlay")], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.engine
def test_pip_finds_nothing_amiss(image: Built, engine: str, tmp_path: Path) -> None:
    """pip, mounted from outside, checks and lists what the image's Python has."""
    said(find_uv_bin(), "pip", "install", "--quiet", "--target", tmp_path / "pip", "pip")
    pip = ["run", "--image", "--network", "none", "-v", f"{tmp_path}/pip:/pip:ro", "-e", "PYTHONPATH=/pip", "--"]
    environment = {"DOCKER_HOST": engine}
    checked = image.project.ok(*pip, "python", "-m", "pip", "check", environment=environment)
    assert checked.out == "No broken requirements found.\n"
    listed = image.project.ok(*pip, "python", "-m", "pip", "list", "--format=freeze", environment=environment)
    assert {"click==8.1.7", "PyYAML==6.0.2"} <= set(listed.out.split())
