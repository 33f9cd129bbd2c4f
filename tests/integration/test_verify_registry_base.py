"""`envlock verify --image` of images on a base from a registry: OS packages and project files above, all proven."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.integration.project import Project
from tests.integration.test_registry import registry  # noqa: F401
from tests.integration.test_registry_base import base  # noqa: F401

pytestmark = pytest.mark.network

MANIFEST = """\
[env.top]
python = "3.11"
dependencies = ["click==8.1.7", "pyyaml==6.0.2"]
as-of = "2025-01-01"

[env.top.image]
base = "{base}"
os-packages = ["libgomp1"]
include = ["train.py"]
"""


@pytest.fixture(scope="module")
def top(built: Project, base: str, tmp_path_factory: pytest.TempPathFactory) -> Project:  # noqa: F811
    """A project on a base from a registry, locked and built, its project image too."""
    project = Project(tmp_path_factory.mktemp("top"), MANIFEST.format(base=base), cache=built.cache)
    (project.folder / "train.py").write_text("import click\n")
    project.ok("lock")
    project.ok("build", "-o", "oci:out")
    return project


def tags(project: Project) -> list[str]:
    """Return the tags in the layout: that of the lock, and that of the project's files."""
    rows = json.loads((project.folder / "out/index.json").read_bytes())["manifests"]
    return sorted(row["annotations"]["org.opencontainers.image.ref.name"] for row in rows)


def verify(project: Project, layout: str, *options: str, cache: Path | None = None) -> tuple[int, list[str]]:
    environment = {"ENVLOCK_CACHE_DIR": str(cache)} if cache else None
    result = project.run("verify", "top", "--image", f"oci:{layout}", "--json", *options, environment=environment)
    return result.code, [finding["rule"] for finding in result.json["findings"]]


def test_images_of_ours_match(top: Project, tmp_path: Path) -> None:
    """Environment and project image, in both modes, also on a machine that knows nothing of the base."""
    plain, above = sorted(tags(top), key=lambda tag: "-src-" in tag)
    for cache in (None, tmp_path / "empty"):
        for mode in ("--quick", "--full"):
            assert verify(top, f"out:{plain}", mode, cache=cache) == (0, [])
            assert verify(top, f"out:{above}", mode, cache=cache) == (0, ["image-project"])


def test_bytecode_of_the_wheels_is_proven(top: Project) -> None:
    """By the interpreter that the base has."""
    assert verify(top, "out", "--full", "--recompile") == (0, ["bytecode-recompiled"])


def test_every_layer_counts(top: Project, tmp_path: Path) -> None:
    """One flipped byte in any of them, the base's included, is an integrity failure of --full."""
    tag = next(tag for tag in tags(top) if "-src-" in tag)
    blobs = Path("blobs/sha256")
    rows = json.loads((top.folder / "out/index.json").read_bytes())["manifests"]
    row = next(row for row in rows if row["annotations"]["org.opencontainers.image.ref.name"] == tag)
    index = json.loads((top.folder / "out" / blobs / row["digest"][7:]).read_bytes())
    manifest = json.loads((top.folder / "out" / blobs / index["manifests"][0]["digest"][7:]).read_bytes())
    layers = manifest["layers"]
    assert len(layers) > 6
    for layer in (layers[0], layers[len(layers) // 2], layers[-3], layers[-1]):
        copy = tmp_path / "copy"
        shutil.copytree(top.folder / "out", copy)
        blob = copy / blobs / layer["digest"][7:]
        raw = bytearray(blob.read_bytes())
        raw[len(raw) // 2] ^= 1
        blob.unlink()
        blob.write_bytes(raw)
        code, rules = verify(top, f"{copy}:{tag}", "--full")
        assert (code, "image-bytes" in rules) == (4, True), layer
        shutil.rmtree(copy)


def test_without_envlock_sum_only_the_layers_digests_are_unknown(top: Project, tmp_path: Path) -> None:
    """The packages are proven by the lock; that nothing vouches for the rest is said, and is no alarm."""
    sums = top.folder / "lockfiles/envlock.sum"
    sums.rename(tmp_path / "sums")
    try:
        assert verify(top, "out") == (3, ["image-unrecorded"])
        code, rules = verify(top, "out", "--full")
    finally:
        (tmp_path / "sums").rename(sums)
    assert (code, "layer-unproven" in rules, "image-layers" in rules) == (3, True, False)
