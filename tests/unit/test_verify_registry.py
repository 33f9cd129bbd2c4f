"""Verification of images in a registry: what is fetched, which image a reference means, and what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from envlock.adapters.registry import OciRegistry
from envlock.adapters.registry_session import Session
from envlock.errors import UsageError
from envlock.formats.oci import DOCKER_MANIFEST, INDEX, MANIFEST, canonical_json
from envlock.model.finding import Verdict
from envlock.model.lock import LockFile
from envlock.model.terms import Terms
from envlock.operations.verify import Witnesses
from envlock.operations.verify_image import verify_image
from tests.unit.fake_registry import FakeRegistry, serving
from tests.unit.test_verify_image import (
    LABEL,
    Image,
    Layer,
    files_of,
    own_image,
    project_image,
    vouching,
    vouching_below,
)
from tests.unit.venvs import Venv, demo_wheel, finding_of, lock_of, rules_of

REPOSITORY = "team/demo"


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    """A registry that answers."""
    registry = FakeRegistry()
    with serving(registry):
        yield registry


@pytest.fixture
def lock(tmp_path: Path) -> LockFile:
    """Of the demo wheel."""
    return lock_of([demo_wheel(tmp_path)])


@pytest.fixture
def installed(tmp_path: Path, lock: LockFile) -> Layer:
    """The files of an image's venv with the demo wheel."""
    venv = Venv(tmp_path / "root/opt/venv")
    venv.install(tmp_path / lock.lock.packages[0].wheels[0].name)
    for script in venv.scripts.iterdir():
        script.write_bytes(script.read_bytes().replace(str(tmp_path / "root").encode(), b""))
        venv.rewrite_record(script)
    return files_of(venv)


def push(fake: FakeRegistry, image: Image, *tags: str) -> str:
    """Put an image of a layout into the registry with an index above it; return the index's digest."""
    for path in (image.root / "blobs/sha256").iterdir():
        fake.blob(path.read_bytes())
    manifest = image.blob(image.manifest).read_bytes()
    architecture = json.loads(image.blob(image.config).read_bytes())["architecture"]
    listed = {**image.manifest, "platform": {"os": "linux", "architecture": architecture}}
    # What BuildKit puts beside an image must not be taken for one.
    strange = {**image.manifest, "platform": {"os": "unknown", "architecture": "unknown"}}
    index = canonical_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": [strange, listed]})
    fake.add(REPOSITORY, image.digest, MANIFEST, manifest)
    digest = fake.add(REPOSITORY, "latest", INDEX, index)
    for tag in tags:
        fake.add(REPOSITORY, tag, INDEX, index)
    return digest


def verify(
    fake: FakeRegistry, lock: LockFile, tmp_path: Path, name: str = ":latest", *, sums: str = "", full: bool = False
) -> Verdict:
    """Verify an image of the fake registry; `name` follows its repository."""
    path = tmp_path / "envlock.sum"
    path.write_text(sums)
    session = Session(environment={}, daemon=tmp_path / "daemon.json", sleep=lambda _: None)
    return verify_image(
        lock,
        f"{fake.address}/{REPOSITORY}{name}",
        sums=path,
        witnesses=Witnesses(records=lambda wheel: None),
        terms=Terms(full=full),
        registry=lambda: OciRegistry(session),
    )


def blobs(fake: FakeRegistry) -> list[str]:
    """Return the digests of blobs that were fetched."""
    return [path.rpartition("/")[2] for path in fake.paths("GET") if "/blobs/" in path]


def test_an_image_that_envlock_sum_knows_takes_three_documents(
    fake: FakeRegistry, lock: LockFile, installed: Layer, tmp_path: Path
) -> None:
    """Index, manifest and configuration: its digest says which lock is in it. --full reads every layer once."""
    image = own_image(tmp_path / "out", lock, installed)
    push(fake, image)
    verdict = verify(fake, lock, tmp_path, sums=vouching(lock, image.digest))
    assert (verdict.exit_code, verdict.findings) == (0, ())
    assert blobs(fake) == [image.config["digest"]]
    assert len(fake.paths()) == 4  # the first one asks how to log in
    verdict = verify(fake, lock, tmp_path, sums=vouching(lock, image.digest), full=True)
    assert (verdict.exit_code, verdict.findings, verdict.summary.files) == (0, (), 10)
    assert set(blobs(fake)) == {image.config["digest"], *(layer["digest"] for layer in image.layers)}


def test_an_image_of_the_right_lock_that_nothing_vouches_for(
    fake: FakeRegistry, lock: LockFile, installed: Layer, tmp_path: Path
) -> None:
    """Its lock layer is fetched, no other one; a known digest that it has not is exit 4."""
    image = own_image(tmp_path / "out", lock, installed)
    push(fake, image)
    verdict = verify(fake, lock, tmp_path)
    assert (verdict.exit_code, rules_of(verdict)) == (3, ["image-unrecorded"])
    assert blobs(fake) == [image.config["digest"], image.layers[-1]["digest"]]
    verdict = verify(fake, lock, tmp_path, sums=vouching(lock, f"sha256:{'0' * 64}"))
    assert (verdict.exit_code, rules_of(verdict)) == (4, ["image-digest"])


def test_a_project_image_matches_by_the_digest_below_it(
    fake: FakeRegistry, lock: LockFile, installed: Layer, tmp_path: Path
) -> None:
    """The layer of the project's files is read, the lock's is not."""
    image = project_image(tmp_path / "out", lock, installed)
    push(fake, image)
    verdict = verify(fake, lock, tmp_path, sums=vouching_below(lock, tmp_path, installed))
    assert (verdict.exit_code, rules_of(verdict)) == (0, ["image-project"])
    assert blobs(fake) == [image.config["digest"], image.layers[-1]["digest"]]


@pytest.mark.parametrize("name", ["{latest}", ":latest@{index}", "@{index}", "@{manifest}", ":v1"])
def test_ways_to_name_an_image(fake: FakeRegistry, lock: LockFile, installed: Layer, tmp_path: Path, name: str) -> None:
    """By tag, by the digest of index or manifest, and by both."""
    image = own_image(tmp_path / "out", lock, installed)
    index = push(fake, image, "v1")
    name = name.format(latest="", index=index, manifest=image.digest)
    assert verify(fake, lock, tmp_path, name, sums=vouching(lock, image.digest)).exit_code == 0


def test_a_tag_that_left_the_digest_beside_it(
    fake: FakeRegistry, lock: LockFile, installed: Layer, tmp_path: Path
) -> None:
    """The image of the digest is right, but the tag names another one now, or none."""
    image = own_image(tmp_path / "out", lock, installed)
    index = push(fake, image, "v1")
    push(fake, Image(tmp_path / "other", [{"a": b"1"}]), "v1")
    sums = vouching(lock, image.digest)
    verdict = verify(fake, lock, tmp_path, f":v1@{index}", sums=sums)
    assert (verdict.exit_code, rules_of(verdict)) == (1, ["image-tag"])
    assert verdict.findings[0].found.startswith("sha256:")
    del fake.manifests[(REPOSITORY, "v1")]
    assert finding_of(verify(fake, lock, tmp_path, f":v1@{index}", sums=sums), "image-tag").found == "no image"


def test_the_tag_of_a_lock_that_names_another_lock(
    fake: FakeRegistry, lock: LockFile, installed: Layer, tmp_path: Path
) -> None:
    """Somebody moved it: 4. The same image under its own tag is another lock's: 1."""
    other = lock_of([demo_wheel(tmp_path / "b", value=2)], env="other")
    image = own_image(tmp_path / "out", other, installed)
    push(fake, image, f"lock-{lock.digest[:32]}", f"lock-{other.digest[:32]}")
    moved = verify(fake, lock, tmp_path, f":lock-{lock.digest[:32]}")
    assert (moved.exit_code, rules_of(moved)) == (4, ["image-tag", "package-source", "image-lock"])
    own = verify(fake, lock, tmp_path, f":lock-{other.digest[:32]}")
    assert (own.exit_code, rules_of(own)) == (1, ["package-source", "image-lock"])


def test_the_tag_of_a_lock_and_project_files(
    fake: FakeRegistry, lock: LockFile, installed: Layer, tmp_path: Path
) -> None:
    """It names both: an image without the files, or with others, is not the one."""
    image = project_image(tmp_path / "out", lock, installed)
    source = json.loads(image.blob(image.config).read_bytes())["config"]["Labels"]["dev.envlock.source.digest"][7:]
    right, wrong = (f"lock-{lock.digest[:16]}-src-{digest[:16]}" for digest in (source, "0" * 64))
    push(fake, image, right, wrong, f"lock-{lock.digest[:32]}")
    sums = vouching_below(lock, tmp_path, installed)
    assert verify(fake, lock, tmp_path, f":{right}", sums=sums).exit_code == 0
    for tag in (wrong, f"lock-{lock.digest[:32]}"):
        verdict = verify(fake, lock, tmp_path, f":{tag}", sums=sums)
        assert (verdict.exit_code, "image-tag" in rules_of(verdict)) == (4, True)


def test_an_edited_label(fake: FakeRegistry, lock: LockFile, installed: Layer, tmp_path: Path) -> None:
    """Another configuration is another digest, whatever the label says; without a label the lock is still found."""
    sums = vouching(lock, own_image(tmp_path / "right", lock, installed).digest)
    push(fake, own_image(tmp_path / "out", lock, installed, labels={LABEL: f"sha256:{'0' * 64}"}))
    verdict = verify(fake, lock, tmp_path, sums=sums)
    assert (verdict.exit_code, rules_of(verdict)) == (4, ["image-digest", "image-label"])
    lock_layer: Layer = {"opt/envlock/pylock.demo.toml": lock.raw}
    push(fake, Image(tmp_path / "bare", [installed, lock_layer]))
    assert verify(fake, lock, tmp_path, sums=sums).exit_code == 4


def test_anybodys_image(fake: FakeRegistry, lock: LockFile, installed: Layer, tmp_path: Path) -> None:
    """Of one that does not say it is ours a large layer is not fetched; --full proves the packages."""
    large = {"large.bin": bytes(range(256)) * 1}
    image = Image(tmp_path / "out", [{"usr/bin/python3.11": b"\x7fELF"}, installed, large])
    image.layers[-1]["size"] = (1 << 20) + 1
    image._finish({"schemaVersion": 2, "mediaType": MANIFEST, "layers": image.layers},
                  json.loads(image.blob(image.config).read_bytes()))  # fmt: skip
    push(fake, image)
    verdict = verify(fake, lock, tmp_path)
    assert (verdict.exit_code, rules_of(verdict)) == (3, ["image-unlocked"])
    assert verdict.findings[0].fix.endswith(f"--image {fake.address}/{REPOSITORY}:latest --full")
    assert blobs(fake) == [image.config["digest"]]
    plain = Image(tmp_path / "plain", [{"usr/bin/python3.11": b"\x7fELF"}, installed])
    push(fake, plain)
    full = verify(fake, lock, tmp_path, full=True)
    assert (full.exit_code, rules_of(full), full.summary.files) == (3, ["layer-unproven"], 10)


def test_a_manifest_without_an_index_and_dockers_own(
    fake: FakeRegistry, lock: LockFile, installed: Layer, tmp_path: Path
) -> None:
    """A tag may name the image of one platform itself, in Docker's media types too."""
    image = own_image(tmp_path / "out", lock, installed)
    push(fake, image)
    document = json.loads(image.blob(image.manifest).read_bytes())
    document["mediaType"] = DOCKER_MANIFEST
    document["config"]["mediaType"] = "application/vnd.docker.container.image.v1+json"
    fake.add(REPOSITORY, "latest", DOCKER_MANIFEST, canonical_json(document))
    assert rules_of(verify(fake, lock, tmp_path)) == ["image-unrecorded"]


@pytest.mark.parametrize(
    ("spoil", "rule", "code"),
    [
        (lambda fake, image: fake.blobs.update({image.config["digest"]: b"{}"}), "image-bytes", 4),
        (lambda fake, image: fake.blobs.update({image.layers[0]["digest"]: b"\x1f\x8bnonsense"}), "image-bytes", 4),
        (lambda fake, image: fake.blobs.pop(image.layers[0]["digest"]), "image-bytes", 3),
    ],
)
def test_a_registry_that_answers_something_else(
    fake: FakeRegistry,
    lock: LockFile,
    installed: Layer,
    tmp_path: Path,
    spoil: Callable[[FakeRegistry, Image], object],
    rule: str,
    code: int,
) -> None:
    """Bytes that are not their digest are an integrity failure, a layer that is not there cannot be verified."""
    image = own_image(tmp_path / "out", lock, installed)
    push(fake, image)
    spoil(fake, image)
    verdict = verify(fake, lock, tmp_path, sums=vouching(lock, image.digest), full=True)
    assert (verdict.exit_code, rule in rules_of(verdict)) == (code, True)


def test_what_is_no_image(fake: FakeRegistry, lock: LockFile, installed: Layer, tmp_path: Path) -> None:
    """A chart, an empty index and a name that is not there are told as such: exit 2."""
    image = own_image(tmp_path / "out", lock, installed)
    push(fake, image)
    document = json.loads(image.blob(image.manifest).read_bytes())
    document["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json"
    fake.add(REPOSITORY, "chart", MANIFEST, canonical_json(document))
    fake.add(REPOSITORY, "empty", INDEX, canonical_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}))
    for tag in ("chart", "empty", "none"):
        with pytest.raises(UsageError) as caught:
            verify(fake, lock, tmp_path, f":{tag}")
        assert caught.value.reference == "no-image"
