"""Verification of an Engine's images and containers, by a fake Engine: what it says, what it writes out, and lies."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import msgspec
import pytest

from envlock.errors import UsageError
from envlock.formats.project import with_project
from envlock.image.layer import Layer as BuiltLayer
from envlock.image.oci import PlatformImage
from envlock.image.project import project_layer
from envlock.model.engine import Change, EngineContainer, EngineImage
from envlock.model.finding import Verdict
from envlock.model.lock import LockFile
from envlock.model.machine import Accelerators, Cpu, Machine
from envlock.model.terms import Terms
from envlock.model.unknown import Unknown
from envlock.operations.build import build
from envlock.operations.verify import Witnesses
from envlock.operations.verify_container import verify_container
from envlock.operations.verify_image import verify_image
from tests.unit.images import AMD64, materials
from tests.unit.test_verify_image import LABEL, Layer, files_of, layer_blob
from tests.unit.venvs import Venv, demo_wheel, finding_of, lock_of, rules_of

SITE = "/opt/venv/lib/python3.11/site-packages"
MACHINE = Machine(
    system="linux", cpu=Cpu(architecture="x86_64", threads=4), memory=1 << 34, accelerators=Accelerators()
)
OTHER = f"sha256:{'2' * 64}"
VARIABLES = {"PATH": "/opt/venv/bin:/usr/bin", "VIRTUAL_ENV": "/opt/venv"}


class FakeEngine:
    """Holds one image and one container; implements `model.edges.ContainerEngine`."""

    def __init__(self, image: EngineImage, **container: Any) -> None:
        self.held = image
        plain = EngineContainer(container_id="c" * 64, image_id=image.image_id, running=True, variables=VARIABLES)
        self.made = msgspec.structs.replace(plain, **container)
        self.archive = b""
        self.files = b""

    def image(self, name: str) -> EngineImage:
        """Know it by its ID and as `demo`."""
        if name not in ("demo", self.held.image_id):
            raise UsageError("no-image", "The Engine has no such image.", expected="one of: demo", found=name)
        return self.held

    def save(self, image_id: str) -> Iterator[bytes]:
        """Write the archive in small pieces."""
        assert image_id == self.held.image_id
        yield from (self.archive[at : at + 999] for at in range(0, len(self.archive), 999))

    def container(self, name: str) -> EngineContainer:
        """Know it as `box`."""
        if name != "box":
            raise UsageError("no-container", "The Engine has no such container.", expected="one of: box", found=name)
        return self.made

    def export(self, container_id: str) -> Iterator[bytes]:
        """Write the file system."""
        assert container_id == self.made.container_id
        yield self.files

    def machine(self, container_id: str) -> Machine | Unknown:
        """Tell of a small machine."""
        assert self.made.running
        assert container_id == self.made.container_id
        return MACHINE


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """An image that was built, and the envlock.sum that vouches for it."""

    lock: LockFile
    image: PlatformImage
    sums: Path

    def in_engine(self, **changed: Any) -> EngineImage:
        """Return it as an Engine shows it."""
        config = json.loads(self.image.config.raw)
        facts = {
            "image_id": self.image.image_id,
            "system": "linux",
            "architecture": "amd64",
            "diff_ids": tuple(config["rootfs"]["diff_ids"]),
            "labels": config["config"]["Labels"],
            "variables": dict(line.split("=", 1) for line in config["config"]["Env"]),
        }
        return EngineImage(**facts | changed)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """The image of the demo wheel, without a base."""
    wheel = demo_wheel(tmp_path)
    lock = lock_of([wheel], base_python="3.11.2")
    image = build(lock, materials=materials(tmp_path, [wheel]))
    return Made(lock=lock, image=image.of(AMD64), sums=tmp_path / "envlock.sum")


@pytest.fixture
def installed(tmp_path: Path) -> Layer:
    """The files of an image's venv with the demo wheel, and its interpreter."""
    venv = Venv(tmp_path / "root/opt/venv")
    venv.install(demo_wheel(tmp_path))
    for script in venv.scripts.iterdir():
        script.write_bytes(script.read_bytes().replace(str(tmp_path / "root").encode(), b""))
        venv.rewrite_record(script)
    return files_of(venv)


def verify(
    made: Made, engine: FakeEngine, name: str = "engine:demo", *, full: bool = False, sums: Path | None = None
) -> Verdict:
    """Verify the image of an Engine, or with the name of none its container."""
    edges: Any = {
        "sums": sums or made.sums,
        "witnesses": Witnesses(records=lambda wheel: None),
        "terms": Terms(full=full),
        "engines": lambda: nullcontext(engine),
    }
    if name.startswith(("engine:", "sha256:")):
        return verify_image(made.lock, name, **edges)
    return verify_container(made.lock, name, **edges)


def test_an_image_is_known_by_its_id(made: Made) -> None:
    """It follows from the lock and envlock.sum, in each way that Engines name images."""
    for changed in ({}, {"image_id": made.image.manifest.descriptor.digest, "by_manifest": True}):
        engine = FakeEngine(made.in_engine(**changed))
        for name in ("engine:demo", engine.held.image_id):
            verdict = verify(made, engine, name)
            assert (verdict.exit_code, verdict.findings, verdict.summary.packages) == (0, (), 1)


def test_what_envlock_sum_does_not_say(made: Made, tmp_path: Path) -> None:
    """The image may be right, but nothing shows it."""
    verdict = verify(made, FakeEngine(made.in_engine()), sums=tmp_path / "none")
    assert (verdict.exit_code, rules_of(verdict)) == (3, ["image-unlocked"])
    layers = tmp_path / "layers.sum"
    layers.write_text("".join(line for line in made.sums.read_text().splitlines(True) if line.startswith("layer")))
    verdict = verify(made, FakeEngine(made.in_engine()), sums=layers)
    assert (verdict.exit_code, rules_of(verdict)) == (3, ["image-unrecorded"])


@pytest.mark.parametrize(
    ("changed", "rules", "code"),
    [
        ({"image_id": f"sha256:{'1' * 64}"}, ["image-digest"], 4),
        ({"image_id": f"sha256:{'1' * 64}", "labels": {}}, ["image-digest", "image-label"], 4),
        ({"labels": {}, "diff_ids": (OTHER,)}, ["image-unlocked"], 3),
        ({"labels": {LABEL: OTHER}, "diff_ids": (OTHER,)}, ["image-lock", "image-unlocked"], 1),
    ],
)
def test_other_images(made: Made, changed: Mapping[str, Any], rules: list[str], code: int) -> None:
    """One of this lock with another configuration, one without a lock, and one that says it is of another."""
    verdict = verify(made, FakeEngine(made.in_engine(**{"image_id": f"sha256:{'1' * 64}"} | dict(changed))))
    assert (verdict.exit_code, rules_of(verdict)) == (code, rules)


def test_a_layer_in_place_of_another(made: Made) -> None:
    """The lock's own layer is there, one below it is another."""
    ids = made.in_engine().diff_ids
    other = (OTHER, *ids[1:])
    verdict = verify(made, FakeEngine(made.in_engine(image_id=f"sha256:{'1' * 64}", diff_ids=other)))
    assert (verdict.exit_code, rules_of(verdict)) == (4, ["image-digest", "image-layers"])


def test_a_project_image_is_known_by_its_id(made: Made) -> None:
    """Its configuration follows from what the Engine says of the project's layer; the files are for --full."""
    top = f"sha256:{'4' * 64}"
    layer = BuiltLayer(digest=top, diff_id=top, size=1)
    project = project_layer(layer, destination="/app", source="5" * 64, comment="project, 2 files")
    _, config = with_project(made.image.manifest.raw, made.image.config.raw, project)
    said = json.loads(config)
    image = made.in_engine(
        image_id=f"sha256:{hashlib.sha256(config).hexdigest()}",
        diff_ids=tuple(said["rootfs"]["diff_ids"]),
        labels=said["config"]["Labels"],
        workdir="/app",
        comment=said["history"][-1].get("comment", ""),
    )
    assert rules_of(verify(made, FakeEngine(image))) == ["image-project"]
    changed = msgspec.structs.replace(image, image_id=f"sha256:{'1' * 64}")
    assert rules_of(verify(made, FakeEngine(changed))) == ["image-digest", "image-project"]
    by_manifest = msgspec.structs.replace(changed, by_manifest=True)
    assert verify(made, FakeEngine(by_manifest)).exit_code == 3


def saved(
    layers: Sequence[Layer], *, links: bool = False, more: Sequence[tuple[str, bytes | str]] = ()
) -> tuple[bytes, str]:
    """Return an archive as old Engines write it, with the image's ID; `links` has the last layer as a link's target.

    `more` are members after all others; NAME in their paths stands for the ID's digits.
    """
    packed = [layer_blob(files) for files in layers]
    plain = [gzip.decompress(blob) for blob, _ in packed]
    settings = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": [f"{key}={value}" for key, value in VARIABLES.items()]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in packed]},
    }
    config = json.dumps(settings).encode()
    name = hashlib.sha256(config).hexdigest()
    rows = [f"{at}/layer.tar" for at in range(len(plain))]
    members: dict[str, bytes | str] = dict(zip(rows, plain, strict=True))
    if links:
        members["blob.tar"], members[rows[-1]] = plain[-1], "../blob.tar"
    members |= {"0/VERSION": b"1.0", "0/json": b"{}", f"{name}.json": config}
    members["manifest.json"] = json.dumps([{"Config": f"{name}.json", "RepoTags": ["demo:1"], "Layers": rows}]).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, member in (*members.items(), *more):
            info = tarfile.TarInfo(path.replace("NAME", name))
            if isinstance(member, str):
                info.type, info.linkname = tarfile.SYMTYPE, member
            else:
                info.size = len(member)
            archive.addfile(info, io.BytesIO(member) if isinstance(member, bytes) else None)
    return buffer.getvalue(), f"sha256:{name}"


PYTHON: Layer = {"usr/bin/python3.11": b"\x7fELF", "opt/venv/bin/python": "/usr/bin/python3.11"}


@pytest.mark.parametrize("links", [False, True])
def test_all_files_of_anybodys_image_are_proven(made: Made, installed: Layer, links: bool) -> None:
    """Layers come before the documents that order them, and some as links; what nothing vouches for is told."""
    archive, image_id = saved([PYTHON, installed], links=links)
    engine = FakeEngine(made.in_engine(image_id=image_id))
    engine.archive = archive
    verdict = verify(made, engine, full=True)
    assert (verdict.exit_code, verdict.summary.files) == (3, 10)
    assert rules_of(verdict) == ["layer-unproven", "python-patch"]


@pytest.mark.parametrize(
    ("spoil", "rule", "code"),
    [
        (lambda raw: raw.replace(b"value = 1", b"value = 2"), "image-bytes", 4),
        (lambda raw: raw[:20000], "image-bytes", 4),
        (lambda raw: raw.replace(b"1/layer.tar", b"1/loser.tar", 1), "image-bytes", 4),
    ],
)
def test_an_archive_that_is_not_what_it_says(made: Made, installed: Layer, spoil: Any, rule: str, code: int) -> None:
    """Changed bytes, an end too early, a layer that is not there."""
    archive, image_id = saved([PYTHON, installed])
    engine = FakeEngine(made.in_engine(image_id=image_id))
    engine.archive = spoil(archive)
    verdict = verify(made, engine, full=True)
    assert (verdict.exit_code, rule in rules_of(verdict)) == (code, True)


def listed(architecture: str) -> list[tuple[str, bytes | str]]:
    """Return index.json and the documents of another image than saved() has."""
    config = json.dumps({"architecture": architecture, "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}})
    kinds = "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.manifest.v1+json"
    blobs = []

    def put(raw: str, kind: str) -> dict[str, Any]:
        digest = hashlib.sha256(raw.encode()).hexdigest()
        blobs.append((f"blobs/sha256/{digest}", raw.encode()))
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(raw)}

    manifest = json.dumps({"schemaVersion": 2, "mediaType": kinds[1], "config": put(config, kinds[0]), "layers": []})
    index = json.dumps({"schemaVersion": 2, "manifests": [put(manifest, kinds[1])]})
    return [*blobs, ("index.json", index.encode())]


@pytest.mark.parametrize(("architecture", "told"), [("amd64", True), ("arm64", False)])
def test_an_archive_that_is_two_images(made: Made, installed: Layer, architecture: str, told: bool) -> None:
    """One by manifest.json, another by index.json: which of them an Engine loads is up to it."""
    archive, image_id = saved([PYTHON, installed], more=listed(architecture))
    engine = FakeEngine(made.in_engine(image_id=image_id))
    engine.archive = archive
    verdict = verify(made, engine, full=True)
    assert (verdict.exit_code, "image-bytes" in rules_of(verdict)) == (4 if told else 3, told)


def test_of_members_of_one_name_the_last_counts(made: Made, installed: Layer) -> None:
    """A link to the good configuration does not outlive a file that stands in its place."""
    archive, image_id = saved([PYTHON, installed], more=[("NAME.json", "elsewhere.json"), ("NAME.json", b"{}")])
    engine = FakeEngine(made.in_engine(image_id=image_id))
    engine.archive = archive
    assert finding_of(verify(made, engine, full=True), "image-bytes").found != ""


def test_an_engine_that_writes_out_another_image(made: Made, installed: Layer) -> None:
    """Than the one that it was asked for."""
    archive, _ = saved([PYTHON, installed])
    engine = FakeEngine(made.in_engine())
    engine.archive = archive
    verdict = verify(made, engine, full=True)
    assert verdict.exit_code == 4
    assert "writes out" in finding_of(verdict, "image-bytes").found


def test_an_archive_on_disk(made: Made, installed: Layer, tmp_path: Path) -> None:
    """`docker-archive:FILE[:TAG]` is read as an Engine's own; one that is not there is exit 2."""
    path = tmp_path / "image.tar"
    path.write_bytes(saved([PYTHON, installed])[0])
    for name in ("", ":demo:1"):
        verdict = verify_image(
            made.lock,
            f"docker-archive:{path}{name}",
            sums=made.sums,
            witnesses=Witnesses(records=lambda wheel: None),
            terms=Terms(),
        )
        assert (verdict.exit_code, verdict.summary.files) == (3, 10)
    for name in (f"{path}:other", f"{tmp_path}/none.tar"):
        with pytest.raises(UsageError) as caught:
            verify_image(
                made.lock,
                f"docker-archive:{name}",
                sums=made.sums,
                witnesses=Witnesses(records=lambda wheel: None),
                terms=Terms(),
            )
        assert caught.value.reference == "no-image"


def changed(*paths: str) -> tuple[Change, ...]:
    """Return changed files with the folders that an Engine lists them under."""
    found = {path: Change(path=path, kind="changed") for path in paths}
    for path in paths:
        while path := path.rpartition("/")[0]:
            found.setdefault(path, Change(path=path, kind="changed"))
    return tuple(found.values())


def test_a_container_of_the_locked_image(made: Made) -> None:
    """With the files that every container writes, GPU drivers that were put in, and data mounted."""
    noise = changed(
        "/tmp/out.txt", "/root/.cache/x", "/etc/hosts", "/var/log/a.log", "/app/model.h5", "/usr/share/doc/a",
        "/usr/lib/x86_64-linux-gnu/libcuda.so.535.1", "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1",
        "/usr/bin/nvidia-smi",
    )  # fmt: skip
    engine = FakeEngine(made.in_engine(), changes=noise, mounts=("/data", "/app", "/tmp", "/etc/hosts", "/root/.cache"))
    verdict = verify(made, engine, "box")
    assert (verdict.exit_code, verdict.findings) == (0, ())
    assert verdict.summary.machine == MACHINE


@pytest.mark.parametrize(
    ("path", "severity", "code"),
    [
        (f"{SITE}/demo/__init__.py", "error", 1),
        (f"{SITE}/sitecustomize.py", "error", 1),
        ("/root/.local/lib/python3.11/site-packages/numpy/__init__.py", "error", 1),
        ("/usr/lib/python3.11/json/__init__.py", "error", 1),
        ("/etc/python3.11/sitecustomize.py", "error", 1),
        ("/usr/local/sbin/python", "error", 1),
        (f"{SITE}/nvidia/cuda_runtime/lib/libcudart.so.12", "error", 1),
        (f"{SITE}/nvidia-evil", "error", 1),
        ("/usr/local/cuda/lib64/libcudart.so.12", "warning", 0),
        ("/usr/bin/python3.11", "error", 1),
        ("/etc/ld.so.preload", "error", 1),
        ("/usr/lib/x86_64-linux-gnu/libc.so.6", "error", 1),
        ("/usr/lib/x86_64-linux-gnu/libcurl.so.4", "warning", 0),
        ("/usr/local/lib/libfoo.so", "warning", 0),
        (f"{SITE}/demo/__pycache__/__init__.cpython-311.pyc", "info", 0),
    ],
)
def test_a_container_that_was_changed(made: Made, path: str, severity: str, code: int) -> None:
    """Where its programs load code from; one finding names the package or folder."""
    verdict = verify(made, FakeEngine(made.in_engine(), changes=changed(path)), "box")
    assert (verdict.exit_code, rules_of(verdict)) == (code, ["container-changes"])
    assert verdict.findings[0].severity == severity


@pytest.mark.parametrize(
    "place", ["/opt", "/opt/venv", f"{SITE}/demo", "/usr/lib", "/usr", "/lib/x86_64-linux-gnu", "/etc", "/usr/bin"]
)
def test_a_mount_that_hides_the_image(made: Made, place: str) -> None:
    """What stands there was not seen."""
    verdict = verify(made, FakeEngine(made.in_engine(), mounts=(place,)), "box")
    assert (verdict.exit_code, rules_of(verdict)) == (3, ["container-mounts"])


def test_variables_of_a_container_are_judged(made: Made) -> None:
    """Those of the image are vouched for, those that it was started with are not."""
    engine = FakeEngine(made.in_engine(), variables={**VARIABLES, "PYTHONPATH": "/evil"})
    assert rules_of(verify(made, engine, "box")) == ["python-path"]


@pytest.mark.parametrize(
    ("path", "rules"), [("/usr/bin:/opt/venv/bin", ["container-changes"]), ("", ["container-changes"]),
                        ("/opt/venv/bin:/tools", [])]
)  # fmt: skip
def test_a_container_that_finds_another_python_first(made: Made, path: str, rules: list[str]) -> None:
    """A PATH that begins elsewhere than the image's; what follows is only looked at after it."""
    engine = FakeEngine(made.in_engine(), variables={**VARIABLES, "PATH": path})
    assert rules_of(verify(made, engine, "box")) == rules


def test_a_container_that_does_not_run(made: Made) -> None:
    """Its files are judged all the same; the machine is unknown."""
    verdict = verify(made, FakeEngine(made.in_engine(), running=False), "box")
    assert (verdict.exit_code, verdict.summary.machine) == (0, None)


def test_every_file_of_a_container(made: Made, installed: Layer) -> None:
    """In full mode the environment's files are proven, so that a changed one that is right is no drift."""
    engine = FakeEngine(made.in_engine(), changes=changed(f"{SITE}/demo/__init__.py"))
    engine.files = gzip.decompress(layer_blob({**PYTHON, **installed})[0])
    verdict = verify(made, engine, "box", full=True)
    assert (verdict.exit_code, verdict.summary.files) == (0, 10)
    tampered = {**installed, f"{SITE[1:]}/demo/__init__.py": b"value = 2\n"}
    engine.files = gzip.decompress(layer_blob({**PYTHON, **tampered})[0])
    verdict = verify(made, engine, "box", full=True)
    assert (verdict.exit_code, rules_of(verdict)[0]) == (4, "file-tampered")
    unchanged = FakeEngine(made.in_engine())
    unchanged.files = engine.files[:5000]
    assert verify(made, unchanged, "box", full=True).exit_code == 3


def test_an_image_that_the_engine_forgot(made: Made) -> None:
    """A container may outlive it: then only the files can tell."""
    engine = FakeEngine(made.in_engine(), image_id=f"sha256:{'7' * 64}")
    assert rules_of(verify(made, engine, "box")) == ["image-unlocked"]


def test_names_that_are_not_there(made: Made) -> None:
    """Are usage errors."""
    for name in ("engine:other", "other"):
        with pytest.raises(UsageError):
            verify(made, FakeEngine(made.in_engine()), name)
