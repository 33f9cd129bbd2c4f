"""What other implementations make of our images: skopeo, Debian's registry and a Docker Engine, all on loopback."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.project import Project

pytestmark = [pytest.mark.network, pytest.mark.engine]


def required(program: str) -> str:
    """Return a program's path; skip without it, but never in CI."""
    path = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin")
    if not path:
        reason = f"{program} is not installed; `make system` installs it on Debian"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real registry on loopback."""
    program = required("docker-registry")
    folder = tmp_path_factory.mktemp("registry")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}},
        "http": {"addr": address},
    }
    (folder / "config.yml").write_text(json.dumps(config))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", folder / "config.yml"], stdout=log, stderr=log)
    try:
        for _ in range(100):
            try:
                with urllib.request.urlopen(f"http://{address}/v2/", timeout=5):
                    break
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        else:
            pytest.fail((folder / "log").read_text())
        yield address
    finally:
        process.terminate()
        process.wait()


def test_layout_survives_registry_and_engine(built: Project, registry: str, engine: str, tmp_path: Path) -> None:
    """skopeo pushes the layout unchanged, the registry keeps its digest, and an Engine pulls and runs that image."""
    image = built.ok("build", "--json").json["images"][0]
    platform = image["platforms"]["linux/amd64"]
    tag = f"lock-{image['lock'].removeprefix('sha256:')[:32]}"
    name = f"{registry}/team/small"
    subprocess.run(
        [required("skopeo"), "copy", "--all", "--preserve-digests", "--quiet", "--dest-tls-verify=false",
         f"oci:{built.folder / '.envlock/images/small'}:{tag}", f"docker://{name}:{tag}"],
        check=True,
    )  # fmt: skip
    docker = ["docker", "-H", engine]
    subprocess.run([*docker, "pull", "--quiet", f"{name}@{image['index']}"], check=True, stdout=subprocess.DEVNULL)
    said = subprocess.run(
        [*docker, "image", "inspect", "--format", "{{.Id}}", f"{name}@{image['index']}"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert said.stdout.strip() == platform["image"]
    code = (
        "import sys, yaml, importlib.metadata as m; print(sys.version_info[:2], m.version('click'), yaml.__version__)"
    )
    run = [*docker, "run", "--rm", "--network", "none", f"{name}@{image['index']}", "python", "-c", code]
    assert subprocess.run(run, check=True, capture_output=True, text=True).stdout.strip() == "(3, 11) 8.1.7 6.0.2"
