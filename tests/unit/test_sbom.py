"""The bill of materials of a lock: valid CycloneDX 1.6, complete, and the same bytes each time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from envlock.errors import UsageError
from envlock.formats.pylock import read_lock
from envlock.model.artifact import Deb
from envlock.model.lock import BaseImage, BaseManifest, LockFile, RunLayer
from envlock.model.platform import Platform
from envlock.operations.sbom import cyclonedx_json
from tests.unit.images import AMD64, lock_of
from tests.unit.wheels import make_wheel

ARM64 = Platform("linux", "arm64")
LOCKS = sorted((Path(__file__).parents[2] / "lockfiles").glob("pylock.*.toml"))


def valid(raw: bytes) -> dict[str, Any]:
    """Parse a bill that the library's strict schema accepts."""
    validation = pytest.importorskip("cyclonedx.validation.json")
    from cyclonedx.exception import MissingOptionalDependencyException
    from cyclonedx.schema import SchemaVersion

    try:
        assert validation.JsonStrictValidator(SchemaVersion.V1_6).validate_str(raw.decode()) is None
    except MissingOptionalDependencyException:
        pytest.skip("cyclonedx-python-lib[json-validation] is not installed")
    parsed: dict[str, Any] = json.loads(raw)
    return parsed


def by_purl(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {component["purl"]: component for component in document["components"] if "purl" in component}


def properties(component: dict[str, Any]) -> dict[str, str]:
    return {row["name"]: row["value"] for row in component["properties"]}


@pytest.fixture
def mixed(tmp_path: Path) -> LockFile:
    """Two platforms on a base from a registry: a wheel for each, one for both, a package and a run layer."""
    wheels = [
        make_wheel(tmp_path, "fast", "1.0", tag="cp39-cp39-manylinux2014_x86_64"),
        make_wheel(tmp_path, "pure", "2.0+local"),
    ]
    lock = lock_of(wheels, platforms=(AMD64, ARM64)).lock
    fast = next(package for package in lock.packages if package.name == "fast")
    (amd64,) = fast.wheels
    arm64 = msgspec.structs.replace(
        amd64, name=amd64.name.replace("x86_64", "aarch64"), sha256="a" * 64, path=f"wheels/{'a' * 16}/fast.whl"
    )
    assert lock.base is not None
    deb = Deb(
        name="libgomp1",
        version="10.2.1-6",
        architecture="amd64",
        archive="debian",
        path="pool/main/g/gcc-10/libgomp1_10.2.1-6_amd64.deb",
        size=1,
        sha256="b" * 64,
    )
    base = msgspec.structs.replace(
        lock.base,
        recipe=None,
        distribution="debian-11",
        packages=(deb,),
        image=BaseImage(
            reference="docker.example.com/team/python:3.9-slim",
            index=f"sha256:{'c' * 64}",
            manifests=(
                BaseManifest(platform="linux/amd64", digest=f"sha256:{'d' * 64}"),
                BaseManifest(platform="linux/arm64", digest=f"sha256:{'e' * 64}"),
            ),
        ),
        run=("true",),
        run_layers=(
            RunLayer(
                platform="linux/arm64",
                sha256="f" * 64,
                diff_id=f"sha256:{'f' * 64}",
                size=1,
                path=f"built/{'f' * 16}/run.tar.gz",
            ),
        ),
    )
    packages = tuple(
        msgspec.structs.replace(each, wheels=(amd64, arm64)) if each is fast else each for each in lock.packages
    )
    return LockFile(lock=msgspec.structs.replace(lock, base=base, packages=packages), raw=b"the lock")


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_bills_of_real_locks_are_valid(path: Path) -> None:
    """Every wheel and every Debian package of the lock is there, by purl and sha256."""
    lock_file = read_lock(path)
    document = valid(cyclonedx_json(lock_file))
    components = by_purl(document)
    for package in lock_file.lock.packages:
        found = components[f"pkg:pypi/{package.name}@{package.version}"]
        hashes = {row["hashes"][0]["content"] for row in found["externalReferences"]}
        assert {wheel.sha256 for wheel in package.wheels} <= hashes
    debs = lock_file.lock.base.packages if lock_file.lock.base else ()
    listed = {c["hashes"][0]["content"] for purl, c in components.items() if purl.startswith("pkg:deb/debian/")}
    assert listed == {deb.sha256 for deb in debs}


def test_a_bill_says_where_each_component_is_and_comes_from(mixed: LockFile) -> None:
    """Wheels by platform with the hash of each, packages of the distribution, the base by digest, the interpreter."""
    document = valid(cyclonedx_json(mixed))
    components = by_purl(document)
    assert sorted(components) == [
        "pkg:deb/debian/libgomp1@10.2.1-6?arch=amd64&distro=debian-11",
        "pkg:generic/python@3.9.2",
        f"pkg:oci/python@sha256:{'d' * 64}?arch=amd64&repository_url=docker.example.com/team/python&tag=3.9-slim",
        f"pkg:oci/python@sha256:{'e' * 64}?arch=arm64&repository_url=docker.example.com/team/python&tag=3.9-slim",
        "pkg:pypi/fast@1.0",
        "pkg:pypi/pure@2.0%2Blocal",
    ]
    fast = components["pkg:pypi/fast@1.0"]
    assert "hashes" not in fast, "it has two wheels, so none is its hash"
    assert [row["comment"].rpartition(" ")[2] for row in fast["externalReferences"]] == ["linux/arm64", "linux/amd64"]
    assert properties(fast) == {"envlock:platforms": "linux/amd64 linux/arm64"}
    assert components["pkg:pypi/pure@2.0%2Blocal"]["hashes"][0]["alg"] == "SHA-256"
    assert {c["name"] for c in document["components"]} >= {"what the run steps changed"}
    root = document["metadata"]["component"]
    assert (root["type"], root["name"], root["version"]) == ("container", "demo", f"sha256:{mixed.digest}")
    assert properties(root)["envlock:lock:digest"] == f"sha256:{mixed.digest}"


def test_a_bill_of_one_platform_lists_what_is_there(mixed: LockFile) -> None:
    """The other platform's wheel, package and base are left out, and the bill has another serial number."""
    document = valid(cyclonedx_json(mixed, ARM64))
    components = by_purl(document)
    assert [purl for purl in components if "amd64" in purl] == []
    assert components["pkg:pypi/fast@1.0"]["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert document["serialNumber"] != json.loads(cyclonedx_json(mixed))["serialNumber"]
    with pytest.raises(UsageError) as caught:
        cyclonedx_json(mixed, Platform("macos", "arm64"))
    assert caught.value.reference == "unlocked-platform"


def test_what_is_unknown_is_said(mixed: LockFile) -> None:
    """The list is complete; which component needs which is unknown, not nothing."""
    document = valid(cyclonedx_json(mixed))
    root = document["metadata"]["component"]["bom-ref"]
    refs = [component["bom-ref"] for component in document["components"]]
    assert [row["ref"] for row in document["dependencies"]] == [root]
    assert sorted(document["dependencies"][0]["dependsOn"]) == sorted(refs)
    assert document["compositions"] == [
        {"aggregate": "complete", "assemblies": [root]},
        {"aggregate": "unknown", "dependencies": sorted(refs)},
    ]


def test_a_lock_without_an_image_has_a_bill_too(tmp_path: Path) -> None:
    """It lists packages, and the interpreter as far as the lock knows it."""
    lock = lock_of([make_wheel(tmp_path)], platforms=(Platform("macos", "arm64"),)).lock
    document = valid(cyclonedx_json(LockFile(lock=msgspec.structs.replace(lock, base=None, image=None), raw=b"x")))
    assert sorted(by_purl(document)) == ["pkg:generic/python@3.9", "pkg:pypi/demo@1.0"]
    assert document["metadata"]["component"]["type"] == "application"


@pytest.mark.parametrize("seed", ["0", "1", "77"])
def test_equal_locks_have_equal_bills(seed: str) -> None:
    """Neither a time nor the hash seed, time zone or locale reaches the bytes."""
    code = (
        "import sys; from pathlib import Path; from envlock.formats.pylock import read_lock\n"
        "from envlock.operations.sbom import cyclonedx_json\n"
        "sys.stdout.buffer.write(cyclonedx_json(read_lock(Path(sys.argv[1]))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, LOCKS[-1]],
        env=os.environ | {"PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo", "LC_ALL": "C"},
        capture_output=True,
        check=True,
    )
    assert done.stdout == cyclonedx_json(read_lock(LOCKS[-1]))
    assert b"timestamp" not in done.stdout
