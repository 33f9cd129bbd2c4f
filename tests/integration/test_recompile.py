"""`envlock verify --recompile`: the bytecode of an image, made again by the image's own interpreter."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.project import Project

pytestmark = pytest.mark.network


def verify(built: Project, layout: Path) -> Any:
    result = built.run("verify", "--image", f"oci:{layout}", "--full", "--recompile", "--json")
    return result.code, {finding["rule"]: finding for finding in result.json["findings"]}


def test_every_module_compiles_to_what_the_image_holds(built: Project) -> None:
    """Of the wheels and of the standard library, byte for byte."""
    code, findings = verify(built, built.folder / ".envlock/images/small")
    assert (code, set(findings)) == (0, {"bytecode-recompiled"})
    same, _, total, *_ = findings["bytecode-recompiled"]["found"].split()
    assert same == total
    assert int(same) > 500


def changed(built: Project, folder: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """Return a layout whose image has a layer more, of the files that `change` returns something else for."""
    shutil.copytree(built.folder / ".envlock/images/small", folder)
    blobs = folder / "blobs/sha256"

    def read(descriptor: dict[str, Any]) -> Any:
        return json.loads((blobs / descriptor["digest"][7:]).read_bytes())

    def put(raw: bytes, descriptor: dict[str, Any]) -> dict[str, Any]:
        digest = hashlib.sha256(raw).hexdigest()
        (blobs / digest).write_bytes(raw)
        return descriptor | {"digest": f"sha256:{digest}", "size": len(raw)}

    (top,) = json.loads((folder / "index.json").read_bytes())["manifests"]
    index = read(top)
    manifest = read(index["manifests"][0])
    config = read(manifest["config"])
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as writer:
        for layer in manifest["layers"]:
            with tarfile.open(fileobj=gzip.open(blobs / layer["digest"][7:])) as reader:
                for member in reader:
                    body = reader.extractfile(member) if member.isreg() else None
                    new = change(member.name, body.read()) if body else None
                    if new is not None:
                        member.size = len(new)
                        writer.addfile(member, io.BytesIO(new))
    manifest["layers"].insert(-1, put(gzip.compress(archive.getvalue(), mtime=0), manifest["layers"][-1]))
    diff_id = hashlib.sha256(archive.getvalue()).hexdigest()
    config["rootfs"]["diff_ids"].insert(-1, f"sha256:{diff_id}")
    manifest["config"] = put(json.dumps(config).encode(), manifest["config"])
    index["manifests"][0] = put(json.dumps(manifest).encode(), index["manifests"][0])
    (folder / "index.json").write_text(
        json.dumps({"schemaVersion": 2, "manifests": [put(json.dumps(index).encode(), top)]})
    )
    return folder


@pytest.mark.parametrize(
    "name", ["opt/venv/lib/python3.11/site-packages/click/__pycache__/core.cpython-311.pyc",
             "usr/lib/python3.11/__pycache__/random.cpython-311.pyc"]
)  # fmt: skip
def test_one_flipped_byte_of_bytecode_is_named(built: Project, tmp_path: Path, name: str) -> None:
    """Also where nothing else about the image is held against it."""
    layout = changed(
        built, tmp_path / "layout", lambda path, raw: raw[:-1] + bytes([raw[-1] ^ 1]) if path == name else None
    )
    (built.folder / "lockfiles/envlock.sum").rename(tmp_path / "sums")
    try:
        code, findings = verify(built, layout)
    finally:
        (tmp_path / "sums").rename(built.folder / "lockfiles/envlock.sum")
    assert code == 4
    assert findings["bytecode-altered"]["path"] == f"/{name}"


def test_recompiling_asks_for_an_image(built: Project) -> None:
    """It is said what it goes with."""
    result = built.run("verify", "--recompile")
    assert (result.code, "--image and --full" in result.err) == (2, True)
