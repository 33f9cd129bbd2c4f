"""Drift of images in an OCI layout: documents, layers and tags changed as a registry's keeper could."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import replace as replaced
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from envlock.formats.oci import canonical_json
from envlock.formats.pylock import parse_lock, read_lock, write_lock
from envlock.image.layout import write_layout
from envlock.model.artifact import Deb
from envlock.model.lock import ImageConfig
from envlock.operations.build import build
from tests.integration.bench import Bench
from tests.integration.drift import UNSEEN, Drift, drift
from tests.integration.project import Project
from tests.unit.debs import deb_bytes, member
from tests.unit.images import lock_of, materials
from tests.unit.venvs import locked_package
from tests.unit.wheels import make_wheel

Document = dict[str, Any]
_SITE = "opt/venv/lib/python3.9/site-packages"
MANIFEST = """\
[env.demo]
python = "3.9"
dependencies = ["click", "large"]
"""


def image_project(folder: Path) -> Project:
    """Make a project whose lock has an image of two small wheels, without a base, in the layout `out`."""
    project = Project(folder / "project", MANIFEST, cache=folder / "cache")
    (folder / "wheels").mkdir()
    large = hashlib.shake_256(b"large").digest(1 << 20)  # of a layer of its own, which nothing compresses
    wheels = [
        make_wheel(folder / "wheels", "click", "8.1.7", {"click/__init__.py": b"", "click/core.py": b"value = 1\n"}),
        make_wheel(folder / "wheels", "large", "1.0", {"large/__init__.py": b"", "large/table.bin": large}),
    ]
    program = folder / "wheels/python3.9-minimal_3.9.2-1_amd64.deb"
    program.write_bytes(
        deb_bytes("python3.9-minimal", "3.9.2-1", [member("./usr/bin/python3.9", b"\x7fELF, and no more", mode=0o755)])
    )
    deb = Deb(
        name="python3.9-minimal",
        version="3.9.2-1",
        architecture="amd64",
        archive="debian",
        path=f"pool/main/p/python3.9/{program.name}",
        size=program.stat().st_size,
        sha256=hashlib.sha256(program.read_bytes()).hexdigest(),
    )
    empty = lock_of(wheels, image=ImageConfig(bytecode=False)).lock
    assert empty.base is not None
    packages = tuple(map(locked_package, wheels))
    raw = write_lock(replace(empty, packages=packages, base=replace(empty.base, packages=(deb,))))
    lock = parse_lock(raw, "pylock.demo.toml")
    project.lock_path("demo").parent.mkdir()
    project.lock_path("demo").write_bytes(raw)
    image = build(lock, materials=replaced(materials(folder, wheels), debs=lambda _: program))
    write_layout(project.folder / "out", image)
    (folder / "envlock.sum").rename(project.folder / "lockfiles/envlock.sum")
    return project


class Documents:
    """The documents of the one image of a layout; `write` gives everything that names them its new digest."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.root = bench.folder / "out"
        bench.options = ["--frozen", "--image", "oci:out"]
        self.top: Document = json.loads((self.root / "index.json").read_bytes())
        self.index: Document = self.read(self.top["manifests"][0])
        self.manifest: Document = self.read(self.index["manifests"][0])
        self.config: Document = self.read(self.manifest["config"])

    def path(self, descriptor: Document) -> Path:
        """Where a blob is."""
        digest: str = descriptor["digest"]
        return self.root / "blobs/sha256" / digest.removeprefix("sha256:")

    def read(self, descriptor: Document) -> Document:
        found: Document = json.loads(self.path(descriptor).read_bytes())
        return found

    def put(self, descriptor: Document, blob: bytes) -> None:
        """Write a blob, and make its descriptor name it."""
        descriptor["digest"] = f"sha256:{hashlib.sha256(blob).hexdigest()}"
        descriptor["size"] = len(blob)
        self.bench.write(self.path(descriptor), blob)

    def write(self) -> None:
        """Write them all, from the configuration up."""
        self.put(self.manifest["config"], canonical_json(self.config))
        self.put(self.index["manifests"][0], canonical_json(self.manifest))
        self.put(self.top["manifests"][0], canonical_json(self.index))
        self.bench.write(self.root / "index.json", json.dumps(self.top))

    def replace_layer(self, at: int, blob: bytes) -> None:
        """Put another blob in place of a layer, or above all where `at` is their number."""
        layers, ids = self.manifest["layers"], self.config["rootfs"]["diff_ids"]
        if at == len(layers):
            layers.append(dict(layers[-1]))
            ids.append("")
            self.config["history"].append({"created_by": "somebody"})
        layers[at] = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip"}
        self.put(layers[at], blob)
        ids[at] = f"sha256:{hashlib.sha256(gzip.decompress(blob)).hexdigest()}"


def _layer(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(content), 0o644
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)


def _changed(change: Callable[[Documents], object]) -> Callable[[Bench], None]:
    """Return what changes the documents and writes them, each digest right."""

    def make(bench: Bench) -> None:
        documents = Documents(bench)
        change(documents)
        documents.write()

    return make


def _of_an_older_lock(bench: Bench) -> None:
    """The lock has moved on, and nobody has built its image."""
    Documents(bench)
    read = read_lock(bench.lock).lock
    bench.write(bench.lock, write_lock(replace(read, as_of="2021-05-15T00:00:00Z")))


def _tag_moved(bench: Bench) -> None:
    documents = Documents(bench)
    tag = "lock-" + "0" * 32
    documents.top["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] = tag
    documents.write()
    bench.options = ["--frozen", "--image", f"oci:out:{tag}"]


def _label(documents: Documents) -> None:
    for place in (documents.config["config"]["Labels"], documents.manifest.get("annotations", {})):
        place["dev.envlock.lock.digest"] = "sha256:" + "0" * 64


def _variable(documents: Documents) -> None:
    documents.config["config"]["Env"].append("OMP_NUM_THREADS=1")


def _variable_of_code(documents: Documents) -> None:
    documents.config["config"]["Env"].append("PYTHONPATH=/srv/evil")


def _entrypoint(documents: Documents) -> None:
    documents.config["config"]["Entrypoint"] = ["/bin/sh", "-c", "evil; exec python"]


def _user(documents: Documents) -> None:
    documents.config["config"]["User"] = "1000"


def _architecture(documents: Documents) -> None:
    documents.config["architecture"] = "arm64"
    documents.index["manifests"][0]["platform"] = {"os": "linux", "architecture": "arm64"}


def _extra_layer(documents: Documents) -> None:
    documents.replace_layer(len(documents.manifest["layers"]), _layer({"etc/evil": b"1"}))


def _layer_over_a_module(documents: Documents) -> None:
    files = {f"{_SITE}/click/core.py": b"import os\n"}
    documents.replace_layer(len(documents.manifest["layers"]), _layer(files))


def _layer_of_startup_code(documents: Documents) -> None:
    files = {f"{_SITE}/sitecustomize.py": b"import random\n"}
    documents.replace_layer(len(documents.manifest["layers"]), _layer(files))


def _layer_replaced(documents: Documents) -> None:
    documents.replace_layer(len(documents.manifest["layers"]) - 2, _layer({f"{_SITE}/click/__init__.py": b""}))


def _lock_replaced(documents: Documents) -> None:
    raw = documents.bench.lock.read_bytes().replace(b"8.1.7", b"8.1.8")
    last = len(documents.manifest["layers"]) - 1
    documents.replace_layer(last, _layer({"opt/envlock/pylock.demo.toml": raw}))


def _lock_removed(documents: Documents) -> None:
    documents.manifest["layers"].pop()
    documents.config["rootfs"]["diff_ids"].pop()
    documents.config["history"].pop()


def _layers_swapped(documents: Documents) -> None:
    for rows in (documents.manifest["layers"], documents.config["rootfs"]["diff_ids"]):
        rows[-2], rows[-3] = rows[-3], rows[-2]


def _history(documents: Documents) -> None:
    documents.config["history"][0]["created_by"] = "nobody"


def _diff_id(documents: Documents) -> None:
    documents.config["rootfs"]["diff_ids"][-2] = "sha256:" + "0" * 64


def _blob(change: Callable[[Documents], Document], edit: Callable[[bytes], bytes] | None) -> Callable[[Bench], None]:
    """Return what edits a blob under its old name, or removes it."""

    def make(bench: Bench) -> None:
        documents = Documents(bench)
        path = documents.path(change(documents))
        if edit is None:
            path.unlink()
        else:
            bench.change(path, edit)

    return make


def _flip(data: bytes) -> bytes:
    return data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]


def _a_wheel(documents: Documents) -> Document:
    found: Document = documents.manifest["layers"][-2]
    return found


def _the_config(documents: Documents) -> Document:
    found: Document = documents.manifest["config"]
    return found


def _no_sums(bench: Bench) -> None:
    Documents(bench)
    (bench.folder / "lockfiles/envlock.sum").unlink()


def _other_sums(bench: Bench) -> None:
    documents = Documents(bench)
    digest = documents.index["manifests"][0]["digest"]
    bench.replace(bench.folder / "lockfiles/envlock.sum", digest, "sha256:" + "0" * 64)


def _tampered_and_unrecorded(bench: Bench) -> None:
    """Every digest is right, and nothing vouches for any."""
    _changed(_layer_over_a_module)(bench)
    (bench.folder / "lockfiles/envlock.sum").unlink()


_UNLOCKED = ("image-unlocked", 3)
_BESIDE = ("image-digest", "image-layers", "image-lock", "image-label", "layer-unproven", "target-unknown")
"""What follows from any change: envlock.sum knows no such image, and what cannot be read cannot be looked at."""
row = partial(drift, "Images", beside=_BESIDE)
IMAGES: tuple[Drift, ...] = (
    row("the image of an older lock", _of_an_older_lock, "image-lock", 1),
    row("a tag moved to another lock's image", _tag_moved, "image-tag", 4),
    row("the label edited", _changed(_label), "image-label", 4),
    row("a variable added", _changed(_variable), "image-digest", 4),
    row("PYTHONPATH added", _changed(_variable_of_code), "python-path", 4),
    row("another entry point", _changed(_entrypoint), "image-digest", 4),
    row("another user", _changed(_user), "image-digest", 4),
    row("another architecture by name", _changed(_architecture), "python-platform", 4),
    row("a layer more", _changed(_extra_layer), "layer-unproven", 3, quick=_UNLOCKED),
    row("a layer over a module", _changed(_layer_over_a_module), "file-tampered", 4, quick=_UNLOCKED),
    row("a layer with a sitecustomize.py", _changed(_layer_of_startup_code), "startup-code", 1, quick=_UNLOCKED),
    row("a wheel's layer replaced", _changed(_layer_replaced), "image-layers", 4,
        beside=(*_BESIDE, "package-missing", "file-unrecorded")),
    row("another lock in its layer", _changed(_lock_replaced), "image-lock", 4),
    row("the layer of the lock removed", _changed(_lock_removed), "layer-unproven", 3, quick=_UNLOCKED),
    row("two layers swapped", _changed(_layers_swapped), "image-layers", 4),
    row("the history edited", _changed(_history), "image-digest", 4),
    row("a diff ID edited", _changed(_diff_id), "image-digest", 4, beside=(*_BESIDE, "image-bytes")),
    row("a byte of a layer flipped", _blob(_a_wheel, _flip), "image-bytes", 4, quick=UNSEEN),
    row("a layer cut off", _blob(_a_wheel, lambda data: data[:-9]), "image-bytes", 4),
    row("a layer missing", _blob(_a_wheel, None), "image-bytes", 3),
    row("the configuration edited under its digest", _blob(_the_config, _flip), "image-bytes", 4,
        beside=(*_BESIDE, "image-unlocked")),
    row("no envlock.sum", _no_sums, "layer-unproven", 3, quick=("image-unrecorded", 3)),
    row("envlock.sum knows another image", _other_sums, "image-digest", 4),
    row("a module replaced, no envlock.sum", _tampered_and_unrecorded, "file-tampered", 4, quick=_UNLOCKED),
)  # fmt: skip
