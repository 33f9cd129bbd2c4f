"""Bases from a registry, end to end: one of our own images, pushed to Debian's registry on loopback, locked upon."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.integration.project import Project
from tests.integration.test_registry import registry, required  # noqa: F401

pytestmark = pytest.mark.network

MANIFEST = """\
[env.top]
python = "3.11"
dependencies = [{dependencies}]
as-of = "2025-01-01"

[env.top.image]
base = "{base}"
os-packages = [{packages}]
"""


@pytest.fixture(scope="module")
def base(built: Project, registry: str) -> str:  # noqa: F811
    """The reference of the small project's image in the registry."""
    index = json.loads((built.folder / ".envlock/images/small/index.json").read_bytes())
    tag = index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"]
    reference = f"{registry}/team/base:1"
    subprocess.run(
        [required("skopeo"), "copy", "--all", "--preserve-digests", "--quiet", "--dest-tls-verify=false",
         f"oci:{built.folder / '.envlock/images/small'}:{tag}", f"docker://{reference}"],
        check=True,
    )  # fmt: skip
    return reference


def raw_manifest(reference: str) -> bytes:
    """Return what skopeo reads of a reference."""
    command = [required("skopeo"), "inspect", "--raw", "--tls-verify=false", f"docker://{reference}"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def project(built: Project, folder: Path, base: str, *packages: str, dependencies: str = '"click==8.1.7"') -> Project:
    """Return a project on that base."""
    listed = ", ".join(f'"{name}"' for name in packages)
    return Project(folder, MANIFEST.format(base=base, packages=listed, dependencies=dependencies), cache=built.cache)


def locked_base(project: Project) -> Any:
    """Return the base of its lock."""
    return tomllib.loads(project.lock_path("top").read_text("utf-8"))["tool"]["envlock"]["base"]


def test_a_base_is_locked_with_what_is_inside(built: Project, base: str, tmp_path: Path) -> None:
    """skopeo's digests, the small project's Python and glibc, and only the package that the image lacks."""
    top = project(built, tmp_path / "top", base, "libgomp1", "libffi8")
    top.ok("lock")
    raw = raw_manifest(base)
    image = json.loads(raw)["manifests"][0]
    found = locked_base(top)
    below = tomllib.loads(built.lock_path().read_text("utf-8"))["tool"]["envlock"]["base"]
    assert found["image"] == {
        "reference": base,
        "index": f"sha256:{hashlib.sha256(raw).hexdigest()}",
        "manifests": [{"platform": "linux/amd64", "digest": image["digest"]}],
    }
    for key in ("distribution", "interpreter", "python", "glibc"):
        assert found[key] == below[key], key
    assert [row["name"] for row in found["packages"]] == ["libgomp1"]
    assert "recipe" not in found


def test_relocking_needs_no_registry(built: Project, base: str, tmp_path: Path) -> None:
    """The same bytes, from a registry that is not there any more; --check says fresh."""
    top = project(built, tmp_path / "top", base)
    top.ok("lock")
    before = top.lock_path("top").read_bytes()
    mirrors = {"ENVLOCK_REGISTRY_MIRRORS": f"{base.partition('/')[0]}=127.0.0.1:9"}
    top.ok("lock", environment=mirrors | {"DOCKER_CONFIG": str(tmp_path)})
    assert top.lock_path("top").read_bytes() == before
    top.ok("lock", "--check")


def test_a_source_distribution_is_built_for_a_registry_base(built: Project, base: str, tmp_path: Path) -> None:
    """In the recipe of the same distribution and Python."""
    top = project(built, tmp_path / "top", base, dependencies='"termcolor==1.1.0"')
    top.ok("lock")
    found = locked_base(top)
    assert found["build-root"]["recipe"] == "debian-bookworm-python3.11"
    assert found["packages"] == []
    assert {"gcc", "python3.11"} <= {row["name"] for row in found["build-packages"]}


@pytest.mark.parametrize(
    ("changes", "reference"),
    [
        ({":1": ":2"}, "no-image"),
        ({"/team/base:1": "/Team/base"}, "bad-reference"),
        ({'"3.11"': '"3.12"'}, "no-python"),
        ({'python = "3.11"': 'python = "3.11"\nplatforms = ["linux/arm64"]'}, "no-platform"),
    ],
)
def test_a_base_that_does_not_suit_is_said(
    built: Project, base: str, tmp_path: Path, changes: dict[str, str], reference: str
) -> None:
    """By a reference for the documentation; no lock is written."""
    top = project(built, tmp_path / "top", base)
    manifest = top.folder / "envlock.toml"
    text = manifest.read_text("utf-8")
    for old, new in changes.items():
        text = text.replace(old, new, 1)
    manifest.write_text(text, "utf-8")
    result = top.run("lock")
    assert result.code == 2
    assert f"[{reference}]" in result.err
    assert not top.lock_path("top").exists()
