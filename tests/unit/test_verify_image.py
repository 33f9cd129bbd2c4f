"""Verification of images in an OCI layout: ours by their digest, anybody's by their files, hostile ones at all."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pytest

from envlock.errors import UsageError
from envlock.formats.oci import CONFIG, MANIFEST, canonical_json
from envlock.formats.project import LABEL_SOURCE, ProjectLayer, tree_digest, with_project
from envlock.model.finding import Verdict
from envlock.model.lock import LockFile
from envlock.model.terms import Terms
from envlock.operations.verify import Witnesses
from envlock.operations.verify_image import verify_image
from tests.unit.venvs import Venv, demo_wheel, finding_of, lock_of, rules_of
from tests.unit.wheels import make_wheel

Layer = Mapping[str, bytes | str | None]
"""Path to a file's bytes, a symbolic link's target, or None for a folder."""
LABEL = "dev.envlock.lock.digest"


def layer_blob(files: Layer) -> tuple[bytes, str]:
    """Return the gzip'd archive and its diff ID."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            if content is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            else:
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return gzip.compress(buffer.getvalue(), mtime=0), "sha256:" + hashlib.sha256(buffer.getvalue()).hexdigest()


class Image:
    """An OCI layout of one image."""

    def __init__(
        self,
        root: Path,
        layers: Sequence[Layer],
        *,
        labels: Mapping[str, str] | None = None,
        env: Sequence[str] = ("PATH=/opt/venv/bin:/usr/bin", "VIRTUAL_ENV=/opt/venv"),
        architecture: str = "amd64",
        history: Sequence[str] = (),
    ) -> None:
        self.root = root
        (root / "blobs/sha256").mkdir(parents=True)
        (root / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        blobs = [layer_blob(files) for files in layers]
        self.layers = [self._put(blob, "application/vnd.oci.image.layer.v1.tar+gzip") for blob, _ in blobs]
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Labels": dict(labels or {}), "Env": list(env)},
            "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in blobs]},
            "history": [{"created_by": text} for text in history or ("envlock build",) * len(blobs)],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "layers": self.layers,
            "annotations": dict(labels or {}),
        }
        self._finish(manifest, config)

    def _finish(self, manifest: Mapping[str, object], config: object) -> None:
        self.config = self._put(canonical_json(config), CONFIG)
        self.manifest = self._put(canonical_json({**manifest, "config": self.config}), MANIFEST)
        (self.root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [self.manifest]}))

    def above(
        self,
        files: Layer,
        *,
        destination: str = "/app",
        source: str | None = None,
        settings: Mapping[str, object] = MappingProxyType({}),
    ) -> Image:
        """Put a project layer on top, as `operations.project` does; `settings` change the configuration besides."""
        rows = [
            (path.removeprefix(f"{destination[1:]}/"), "0644", hashlib.sha256(content).hexdigest())
            for path, content in files.items()
            if isinstance(content, bytes)
        ]
        blob, diff_id = layer_blob(files)
        self.layers.append(self._put(blob, "application/vnd.oci.image.layer.v1.tar+gzip"))
        layer = ProjectLayer(
            digest=str(self.layers[-1]["digest"]),
            diff_id=diff_id,
            size=len(blob),
            destination=destination,
            source=f"sha256:{source or tree_digest(rows, destination)}",
            history={"created_by": "envlock build"},
        )
        before = (self.blob(self.manifest).read_bytes(), self.blob(self.config).read_bytes())
        manifest, config = map(json.loads, with_project(*before, layer))
        config["config"] |= settings
        self._finish(manifest, config)
        return self

    def _put(self, blob: bytes, media_type: str) -> dict[str, object]:
        digest = hashlib.sha256(blob).hexdigest()
        (self.root / "blobs/sha256" / digest).write_bytes(blob)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(blob)}

    @property
    def digest(self) -> str:
        return str(self.manifest["digest"])

    def blob(self, descriptor: Mapping[str, object]) -> Path:
        return self.root / "blobs" / str(descriptor["digest"]).replace(":", "/")


def files_of(venv: Venv) -> dict[str, bytes | str | None]:
    """Return an environment made at /opt/venv below some root, as the entries of a layer."""
    root = venv.prefix.parent.parent
    found: dict[str, bytes | str | None] = {}
    for path in sorted(venv.prefix.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_file():
            found[name] = path.read_bytes().replace(str(root).encode(), b"")
    return found


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return demo_wheel(tmp_path)


@pytest.fixture
def installed(tmp_path: Path, wheel: Path) -> dict[str, bytes | str | None]:
    """The files of an image's venv with the demo wheel, RECORD true of the launchers' texts there."""
    venv = Venv(tmp_path / "root/opt/venv")
    venv.install(wheel)
    for script in venv.scripts.iterdir():
        script.write_bytes(script.read_bytes().replace(str(tmp_path / "root").encode(), b""))
        venv.rewrite_record(script)
    return files_of(venv)


def own_image(root: Path, lock: LockFile, files: Layer, **options: object) -> Image:
    """Write an image with its lock in the last layer and on its label."""
    lock_layer = {f"opt/envlock/pylock.{lock.lock.env}.toml": lock.raw}
    labels = {LABEL: f"sha256:{lock.digest}"} | dict(options.pop("labels", {}))  # type: ignore[call-overload]
    return Image(root, [files, lock_layer], labels=labels, **options)  # type: ignore[arg-type]


def verify(lock: LockFile, image: Image, *, sums: str = "", full: bool = False) -> Verdict:
    path = image.root.parent / "envlock.sum"
    path.write_text(sums)
    return verify_image(
        lock,
        f"oci:{image.root}",
        sums=path,
        witnesses=Witnesses(records=lambda wheel: None),
        terms=Terms(full=full),
    )


def vouching(lock: LockFile, digest: str) -> str:
    return f"image {lock.digest} linux/amd64 {digest}\n"


def test_own_image_matches_by_its_digest(tmp_path: Path, wheel: Path, installed: Layer) -> None:
    """The lock in the image and a line of envlock.sum prove it; --full reads every byte and agrees."""
    lock = lock_of([wheel])
    image = own_image(tmp_path / "out", lock, installed)
    for full in (False, True):
        verdict = verify(lock, image, sums=vouching(lock, image.digest), full=full)
        assert (verdict.exit_code, verdict.findings) == (0, ()), full
        assert verdict.summary.files == (10 if full else 0)


def test_own_image_that_nothing_vouches_for(tmp_path: Path, wheel: Path, installed: Layer) -> None:
    """Without a line of envlock.sum quick mode knows nothing; --full proves the packages and says what remains."""
    lock = lock_of([wheel])
    image = own_image(tmp_path / "out", lock, installed)
    quick = verify(lock, image)
    assert (quick.exit_code, rules_of(quick)) == (3, ["image-unrecorded"])
    full = verify(lock, image, full=True)
    assert (full.exit_code, rules_of(full)) == (3, ["layer-unproven"])


def test_image_that_contradicts_envlock_sum(tmp_path: Path, wheel: Path, installed: Layer) -> None:
    """The right lock in another image than the one that was built is an integrity failure."""
    lock = lock_of([wheel])
    image = own_image(tmp_path / "out", lock, {**installed, "etc/extra": b"x"})
    verdict = verify(lock, image, sums=vouching(lock, "sha256:" + "0" * 64))
    assert (verdict.exit_code, rules_of(verdict)) == (4, ["image-digest"])


def test_image_of_another_lock(tmp_path: Path, installed: Layer) -> None:
    """The packages of the image's own lock are compared, and what changes results comes first."""
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    old = lock_of(
        [make_wheel(tmp_path / "old", name, version) for name, version in (("six", "1.0"), ("tensorflow", "2.5.0"))],
        env="tf25",
        frameworks=("tensorflow",),
    )
    new = lock_of(
        [make_wheel(tmp_path / "new", name, version) for name, version in (("six", "1.1"), ("tensorflow", "2.6.0"))],
        env="tf26",
    )
    image = own_image(tmp_path / "out", new, installed)
    verdict = verify(old, image, sums=vouching(new, image.digest))
    assert verdict.exit_code == 1
    assert rules_of(verdict) == ["package-version", "package-version", "image-lock"]
    first = verdict.findings[0]
    assert (first.subject, first.expected, first.found, first.impact) == ("tensorflow", "2.5.0", "2.6.0", "results")


def test_same_version_from_another_wheel(tmp_path: Path, installed: Layer) -> None:
    """A lock that takes the same version from another file is told by the file's digest."""
    ours, theirs = demo_wheel(tmp_path / "a"), demo_wheel(tmp_path / "b", value=2)
    image = own_image(tmp_path / "out", lock_of([theirs], env="other"), installed)
    verdict = verify(lock_of([ours]), image)
    assert (verdict.exit_code, rules_of(verdict)) == (1, ["package-source", "image-lock"])


def test_label_that_lies(tmp_path: Path, wheel: Path, installed: Layer) -> None:
    """A label that names another lock than the image holds is an integrity failure."""
    lock = lock_of([wheel])
    image = own_image(tmp_path / "out", lock, installed, labels={LABEL: "sha256:" + "0" * 64})
    assert finding_of(verify(lock, image), "image-label").nature == "integrity"


def test_anybodys_image(tmp_path: Path, wheel: Path, installed: Layer) -> None:
    """Without our lock quick mode can tell nothing; --full proves the packages, and tells that it cannot the rest."""
    lock = lock_of([wheel])
    image = Image(tmp_path / "out", [{"usr/bin/python3.11": b"\x7fELF"}, installed])
    quick = verify(lock, image)
    assert (quick.exit_code, rules_of(quick)) == (3, ["image-unlocked"])
    assert quick.findings[0].fix == f"envlock verify demo --image oci:{image.root} --full"
    full = verify(lock, image, full=True)
    assert (full.exit_code, rules_of(full)) == (3, ["layer-unproven"])


def test_interpreter_of_an_image_is_read_from_its_files(tmp_path: Path, wheel: Path) -> None:
    """Python's own headers, Debian's package list or pyvenv.cfg tell the patch release; nothing is run."""
    site = "usr/local/lib/python3.11/site-packages"
    base: Layer = {
        "usr/local/bin/python3.11": b"\x7fELF",
        "usr/local/bin/python": "python3.11",
        "usr/local/include/python3.11/patchlevel.h": b'#define PY_VERSION      "3.11.4"\n',
        f"{site}/README.txt": b"",
    }
    image = Image(tmp_path / "out", [base], env=["PATH=/usr/local/bin:/usr/bin"])
    verdict = verify(lock_of(base_python="3.11.2"), image, full=True)
    assert (verdict.summary.python, rules_of(verdict)) == ("3.11.4", ["layer-unproven", "python-patch"])


@pytest.mark.parametrize(
    ("layer", "rule", "code"),
    [
        ({"opt/venv/lib/python3.11/site-packages/demo/__init__.py": b"value = 2\n"}, "file-tampered", 4),
        ({"opt/venv/lib/python3.11/site-packages/demo/sub/.wh.table.csv": b""}, "file-missing", 1),
        ({"opt/venv/lib/python3.11/site-packages/demo/.wh..wh..opq": b""}, "file-missing", 1),
        ({"opt/venv/lib/python3.11/site-packages/demo/more.py": b""}, "module-shadowed", 1),
        ({"opt/venv/lib/python3.11/site-packages/sitecustomize.py": b""}, "startup-code", 1),
        ({"opt/venv/bin/demo-run": b"#!/bin/sh\nevil\n"}, "launcher-altered", 4),
        (
            {"opt/venv/lib/python3.11/site-packages/demo/__pycache__/__init__.cpython-311.pyc": b"x"},
            "bytecode-unproven",
            3,
        ),
        ({"opt/venv/lib/python3.11/site-packages/demo/__init__.py": "/evil"}, "file-tampered", 4),
    ],
)
def test_layer_over_the_packages(
    tmp_path: Path, wheel: Path, installed: Layer, layer: Layer, rule: str, code: int
) -> None:
    """A further layer that hides, replaces or adds files is seen as a container would see it."""
    image = Image(tmp_path / "out", [{"usr/bin/python3.11": b"\x7fELF"}, installed, layer])
    verdict = verify(lock_of([wheel]), image, full=True)
    assert (verdict.exit_code, rule in rules_of(verdict)) == (code, True)


def test_files_behind_a_link_of_a_lower_layer(tmp_path: Path, wheel: Path, installed: Layer) -> None:
    """Engines unpack them differently, so that nobody can say what a container sees; elsewhere nobody minds."""
    base: Layer = {"usr/bin/python3.11": b"\x7fELF", "venv": "opt/venv", "lib": "usr/lib"}
    site = "lib/python3.11/site-packages"
    for path, found in ((f"venv/{site}/more.py", True), ("lib/x86_64/libx.so", False)):
        image = Image(tmp_path / path.partition("/")[0], [base, installed, {path: b""}])
        verdict = verify(lock_of([wheel]), image, full=True)
        assert ("layer-unclear" in rules_of(verdict)) is found


def test_a_layer_that_was_compressed_again_is_known_by_its_archive(
    tmp_path: Path, wheel: Path, installed: Layer
) -> None:
    """As `docker push` does it: --full reads the archive, which envlock.sum has by its diff ID."""
    image = Image(tmp_path / "out", [installed])
    sums = f"layer {'0' * 64} sha256:{'1' * 64} {layer_blob(installed)[1]} 1\n"
    verdict = verify(lock_of([wheel]), image, sums=sums, full=True)
    assert finding_of(verdict, "layer-unproven").found.endswith("; 0 of 1 layers are unknown too")


def test_blob_that_is_not_its_digest(tmp_path: Path, wheel: Path, installed: Layer) -> None:
    """A changed layer is seen by --full, a missing or shortened one at once."""
    lock = lock_of([wheel])
    image = own_image(tmp_path / "out", lock, installed)
    path = image.blob(image.layers[0])
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    sums = vouching(lock, image.digest)
    assert verify(lock, image, sums=sums).exit_code == 0
    assert finding_of(verify(lock, image, sums=sums, full=True), "image-bytes").nature == "integrity"
    path.write_bytes(data[:-1])
    assert verify(lock, image, sums=sums).exit_code == 4
    path.unlink()
    assert verify(lock, image, sums=sums).exit_code == 3


def test_documents_that_cannot_be_read(tmp_path: Path, wheel: Path, installed: Layer) -> None:
    """A manifest or config that is not its digest, or not JSON, is an integrity failure without a traceback."""
    lock = lock_of([wheel])
    image = own_image(tmp_path / "out", lock, installed)
    image.blob(image.config).write_bytes(b"{}")
    assert verify(lock, image).exit_code == 4


def test_other_platform(tmp_path: Path, wheel: Path, installed: Layer) -> None:
    """An image for a platform that the lock does not cover is told as that."""
    lock = lock_of([wheel])
    image = own_image(tmp_path / "out", lock, installed, architecture="arm64")
    assert "python-platform" in rules_of(verify(lock, image))


def test_an_image_that_cannot_be_reached_here(tmp_path: Path, wheel: Path) -> None:
    """Without registries and Engines at hand, other references are a usage error that says which ones work."""
    for reference in ("registry.example.com/python:3.11", "engine:python", f"sha256:{'0' * 64}"):
        with pytest.raises(UsageError) as raised:
            verify_image(
                lock_of([wheel]),
                reference,
                sums=tmp_path / "envlock.sum",
                witnesses=Witnesses(records=lambda wheel: None),
                terms=Terms(),
            )
        assert raised.value.reference == "unknown-image"


PROJECT: Layer = {"app": None, "app/src": None, "app/src/train.py": b"print(1)\n", "app/README.md": b"# read\n"}


def project_image(root: Path, lock: LockFile, installed: Layer, files: Layer = PROJECT, **options: object) -> Image:
    """Return a project image, and write a layout that holds it."""
    return own_image(root, lock, installed).above(files, **options)  # type: ignore[arg-type]


def vouching_below(lock: LockFile, tmp_path: Path, installed: Layer, **options: object) -> str:
    """Return the line of envlock.sum for the environment image of `project_image`."""
    return vouching(lock, own_image(tmp_path / "below", lock, installed, **options).digest)


def test_project_image_matches_by_the_digest_below_it(tmp_path: Path, wheel: Path, installed: Layer) -> None:
    """envlock.sum vouches for the environment image; the project's files are told, and alarm nobody."""
    lock = lock_of([wheel])
    image = project_image(tmp_path / "out", lock, installed)
    sums = vouching_below(lock, tmp_path, installed)
    for full in (False, True):
        verdict = verify(lock, image, sums=sums, full=full)
        assert (verdict.exit_code, rules_of(verdict)) == (0, ["image-project"]), full
        assert verdict.summary.files == (10 if full else 0)
    (finding,) = verdict.findings
    assert finding.severity == "info"
    assert finding.found.startswith("2 files in /app, tree sha256:")


def test_project_image_on_a_base_with_a_working_folder(tmp_path: Path, wheel: Path, installed: Layer) -> None:
    """A base's own WORKDIR was replaced by the project's: the project layer's history tells what stood there."""
    lock = lock_of([wheel])
    image = own_image(tmp_path / "out", lock, installed)
    config = json.loads(image.blob(image.config).read_bytes())
    config["config"]["WorkingDir"] = "/workspace"
    image._finish(json.loads(image.blob(image.manifest).read_bytes()), config)
    sums = vouching(lock, image.digest)
    assert rules_of(verify(lock, image.above(PROJECT), sums=sums)) == ["image-project"]


@pytest.mark.parametrize(
    ("files", "options", "rules", "code"),
    [
        ({"app/a.py": b"1"}, {"source": "0" * 64}, ["image-project"], 4),
        ({"app/a.py": b"1", "etc/passwd": b"x"}, {}, ["image-project", "image-project"], 4),
        ({"app/.wh.a": b""}, {}, ["image-project", "image-project"], 4),
        ({"opt/envlock/x": b"1"}, {}, ["image-project", "image-project"], 4),
        (
            {"app/a.py": b"1"},
            {"settings": {"Env": ["PYTHONPATH=/evil"]}},
            ["image-digest", "python-path", "image-project"],
            4,
        ),
        ({"app/a.py": b"1"}, {"settings": {"Entrypoint": ["/app/a.py"]}}, ["image-digest", "image-project"], 4),
        ({"app/a.py": b"1"}, {"settings": {"User": "0"}}, ["image-digest", "image-project"], 4),
    ],
)
def test_project_layer_that_is_none(
    tmp_path: Path, wheel: Path, installed: Layer, files: Layer, options: dict[str, object], rules: list[str], code: int
) -> None:
    """Other files than the label's, files elsewhere, deletions, and settings that the lock does not give."""
    lock = lock_of([wheel])
    image = project_image(tmp_path / "out", lock, installed, files, **options)
    verdict = verify(lock, image, sums=vouching_below(lock, tmp_path, installed))
    assert (verdict.exit_code, rules_of(verdict)) == (code, rules)


@pytest.mark.parametrize(
    ("path", "rule", "code"),
    [
        ("opt/venv/lib/python3.11/site-packages/demo/__init__.py", "file-tampered", 4),
        ("opt/venv/lib/python3.11/site-packages/sitecustomize.py", "startup-code", 4),
        ("opt/venv/lib/python3.11/site-packages/more.py", "file-unrecorded", 4),
        ("app/demo.py", "module-shadowed", 1),
        ("app/demo/__init__.py", "module-shadowed", 1),
        ("app/demo/other.py", None, 0),
        ("app/src/demo.py", None, 0),
    ],
)
def test_project_files_that_meddle_with_the_lock(
    tmp_path: Path, wheel: Path, installed: Layer, path: str, rule: str | None, code: int
) -> None:
    """Files in the environment are seen as a container sees them, modules that take a locked one's name too."""
    lock = lock_of([wheel])
    image = project_image(tmp_path / "out", lock, installed, {path: b"value = 3\n"})
    verdict = verify(lock, image, sums=vouching_below(lock, tmp_path, installed), full=True)
    assert verdict.exit_code == code
    assert rule is None or rule in rules_of(verdict)


def test_project_module_on_pythonpath(tmp_path: Path, wheel: Path, installed: Layer) -> None:
    """Where the image's PYTHONPATH names a folder of the project, what stands there is imported first too."""
    lock = lock_of([wheel])
    env = ["PATH=/opt/venv/bin:/usr/bin", "VIRTUAL_ENV=/opt/venv", "PYTHONPATH=/app/src"]
    image = own_image(tmp_path / "out", lock, installed, env=env).above({"app/src/demo.py": b""})
    sums = vouching_below(lock, tmp_path, installed, env=env)
    assert finding_of(verify(lock, image, sums=sums, full=True), "module-shadowed").path == "/app/src/demo.py"


def test_project_layer_whose_bytes_changed(tmp_path: Path, wheel: Path, installed: Layer) -> None:
    """Quick mode reads it, as it reads the lock: another byte is an integrity failure, a missing layer unknown."""
    lock = lock_of([wheel])
    image = project_image(tmp_path / "out", lock, installed)
    sums = vouching_below(lock, tmp_path, installed)
    path = image.blob(image.layers[-1])
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    for full in (False, True):
        assert "image-bytes" in rules_of(verify(lock, image, sums=sums, full=full))
        assert verify(lock, image, sums=sums, full=full).exit_code == 4
    path.unlink()
    assert verify(lock, image, sums=sums).exit_code == 3


def test_project_image_of_another_lock(tmp_path: Path, wheel: Path, installed: Layer) -> None:
    """The lock below the project's files is compared as that of any image."""
    lock, other = lock_of([wheel]), lock_of([wheel], env="other")
    image = project_image(tmp_path / "out", other, installed)
    assert "image-lock" in rules_of(verify(lock, image))


def test_project_image_that_nothing_vouches_for(tmp_path: Path, wheel: Path, installed: Layer) -> None:
    """Without a line for the environment image its digest is unknown, as without project files."""
    lock = lock_of([wheel])
    image = project_image(tmp_path / "out", lock, installed)
    assert rules_of(verify(lock, image)) == ["image-unrecorded", "image-project"]
    assert verify(lock, image).exit_code == 3


def test_label_of_a_tree_without_a_layer(tmp_path: Path, wheel: Path, installed: Layer) -> None:
    """A label alone makes no project image: its configuration is another one than envlock.sum vouches for."""
    lock = lock_of([wheel])
    image = own_image(tmp_path / "out", lock, installed, labels={LABEL_SOURCE: "sha256:" + "0" * 64})
    sums = vouching_below(lock, tmp_path, installed)
    assert (verify(lock, image, sums=sums).exit_code, rules_of(verify(lock, image, sums=sums))) == (4, ["image-digest"])


def test_layer_above_that_is_no_projects(tmp_path: Path, wheel: Path, installed: Layer) -> None:
    """A layer on top of the lock's without the label is seen by quick mode as an image that holds no lock."""
    lock = lock_of([wheel])
    lock_layer = {f"opt/envlock/pylock.{lock.lock.env}.toml": lock.raw}
    labels = {LABEL: f"sha256:{lock.digest}"}
    image = Image(tmp_path / "out", [installed, lock_layer, {"app/a.py": b""}], labels=labels)
    sums = vouching_below(lock, tmp_path, installed)
    assert (verify(lock, image, sums=sums).exit_code, rules_of(verify(lock, image, sums=sums))) == (
        3,
        ["image-unlocked"],
    )


def named(image: Image, *names: str) -> None:
    """Give the image several names in its layout, the last of which is another image."""
    other = dict(image.manifest, digest="sha256:" + "1" * 64)
    rows = [
        {**(other if name == names[-1] else image.manifest), "annotations": {"org.opencontainers.image.ref.name": name}}
        for name in names
    ]
    platform = {"architecture": "amd64", "os": "linux"}
    manifests = [{**row, "platform": platform} for row in rows]
    (image.root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}))


def test_layout_of_several_images(tmp_path: Path, wheel: Path, installed: Layer) -> None:
    """The lock's own tag is taken, else the one that `oci:DIR:TAG` names."""
    lock = lock_of([wheel])
    image = own_image(tmp_path / "out", lock, installed)
    sums = tmp_path / "envlock.sum"
    sums.write_text(vouching(lock, image.digest))

    def code(reference: str) -> int:
        return verify_image(
            lock, reference, sums=sums, witnesses=Witnesses(records=lambda wheel: None), terms=Terms()
        ).exit_code

    named(image, f"lock-{lock.digest[:32]}", "other")
    assert code(f"oci:{image.root}") == 0
    named(image, "v1", "other")
    assert code(f"oci:{image.root}:v1") == 0
    for reference, kind in ((f"oci:{image.root}", "several-images"), (f"oci:{image.root}:v2", "no-image")):
        with pytest.raises(UsageError) as raised:
            code(reference)
        assert raised.value.reference == kind
        assert "v1" in f"{raised.value.expected}{raised.value.found}"
