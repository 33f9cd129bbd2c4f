"""What an image is of: documents, statements, and what contradicts them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from envlock.errors import IntegrityError, UsageError
from envlock.formats.oci import CONFIG, INDEX, MANIFEST, Descriptor, canonical_json, describe, digest_of, parse_index
from envlock.image.layout import write_layout
from envlock.image.oci import Image
from envlock.model.edges import NoProgress
from envlock.model.lock import LockFile
from envlock.model.manifest import Environment, Manifest
from envlock.model.observation import Unknown
from envlock.model.origin import Here, Origin
from envlock.model.platform import Platform
from envlock.model.provenance import SIGNING_NAMESPACE, Held, Signature, Source
from envlock.model.reference import Reference
from envlock.operations.attest import attach, attestation_manifest, provenance, sbom, signed
from envlock.operations.build import build
from envlock.operations.copy import copy_image
from envlock.operations.places import place_of
from envlock.operations.project import project_image
from envlock.operations.which import Trust, beside_project, which_by_labels, which_in, which_in_registry
from envlock.report.origin import origin_json, origin_text
from tests.unit.images import AMD64, lock_of, materials
from tests.unit.registries import DictRegistry
from tests.unit.wheels import make_wheel

REFERENCE = Reference.parse("registry.example.com/team/demo:v1")
SOURCE = Source(
    commit="0123456789abcdef0123456789abcdef01234567",
    dirty=False,
    lock_committed=True,
    lock_path="lockfiles/pylock.demo.toml",
    tree_dirty=False,
)


class Keys:
    """Signatures that say what a test wants."""

    def __init__(self, standing: str = "unchecked", **more: str) -> None:
        self.found = msgspec.convert({"standing": standing, "key": "SHA256:abc", **more}, Signature)

    def sign(self, raw: bytes, key: str, namespace: str = SIGNING_NAMESPACE) -> bytes:
        return b"signed"

    def check(self, raw: bytes, armored: bytes, allowed: Path | None, namespace: str = SIGNING_NAMESPACE) -> Signature:
        assert armored == b"signed"
        return self.found


class CarelessRegistry(DictRegistry):
    """Lists as a referrer whatever it is told to, as a fallback tag may."""

    def __init__(self) -> None:
        super().__init__()
        self.listed: tuple[Descriptor, ...] = ()

    def referrers(self, reference: Reference) -> bytes:
        index = parse_index(super().referrers(reference), "")
        return canonical_json(msgspec.structs.replace(index, manifests=(*index.manifests, *self.listed)))


class FakeHistory:
    """A repository that holds one lock."""

    def __init__(self, held: Held | None = None, at: str | None = None) -> None:
        self._held, self._at = held, at

    def holding(self, sha256: str) -> Held | None:
        return self._held

    def lock_at(self, commit: str, path: str) -> str | None:
        return self._at


def trust(standing: str = "unchecked", *, demanded: bool = False, **more: str) -> Trust:
    return Trust(signatures=Keys(standing, **more), demanded=demanded)


@pytest.fixture
def lock_file(tmp_path: Path) -> LockFile:
    return lock_of([make_wheel(tmp_path)], platforms=(AMD64, Platform("linux", "arm64")))


@pytest.fixture
def image(tmp_path: Path, lock_file: LockFile) -> Image:
    return build(lock_file, materials=materials(tmp_path, [make_wheel(tmp_path)]))


@pytest.fixture
def registry(image: Image) -> CarelessRegistry:
    return pushed(image)


def pushed(image: Image) -> CarelessRegistry:
    """The image, pushed under the tags v1 and the lock's, where a fallback tag lists what anybody wrote."""
    registry = CarelessRegistry()
    registry.blobs[REFERENCE.name] = {digest: path.read_bytes() for digest, path in image.files.items()}
    for one in image.platforms:
        registry.blobs[REFERENCE.name][one.config.descriptor.digest] = one.config.raw
        registry.put_manifest(REFERENCE.at(one.manifest.descriptor.digest), one.manifest.raw, MANIFEST)
    for tag in ("v1", image.tag):
        registry.put_manifest(REFERENCE.tagged(tag), image.index.raw, INDEX)
    return registry


def attached(registry: DictRegistry, image: Image, lock_file: LockFile, *, key: str = "", **more: Any) -> None:
    source = Unknown(reason="") if more.pop("outside", False) else msgspec.structs.replace(SOURCE, **more)
    statement = provenance(image, lock_file, source)
    statement = signed(statement, Keys(), key) if key else statement
    attach(registry, REFERENCE, image.index.descriptor, [statement])


def asked(registry: DictRegistry, found: Trust | None = None, reference: Reference = REFERENCE) -> Origin:
    return which_in_registry(registry, reference, found or trust())


def test_an_image_says_what_it_is_of(registry: DictRegistry, image: Image, lock_file: LockFile) -> None:
    """Lock, environment, specification, and every name of it, as `build` prints them."""
    attached(registry, image, lock_file)
    attach(registry, REFERENCE, image.index.descriptor, [sbom(lock_file)])
    found = asked(registry)
    amd64, arm64 = image.platforms
    bom = found.artifacts[0].digest
    assert origin_text(found) == (
        f"registry.example.com/team/demo@{image.index.descriptor.digest}\n"
        f"  lock            sha256:{lock_file.digest}\n"
        "  env             demo\n"
        "  spec            1\n"
        f"  index digest    {image.index.descriptor.digest}\n"
        f"  manifest digest {amd64.manifest.descriptor.digest}  linux/amd64\n"
        f"  image ID        {amd64.image_id}\n"
        f"  manifest digest {arm64.manifest.descriptor.digest}  linux/arm64\n"
        f"  image ID        {arm64.image_id}\n"
        "  commit          0123456789abcdef0123456789abcdef01234567, clean, unsigned\n"
        f"  attached        {bom}  application/vnd.cyclonedx+json\n"
    )
    assert found.exit_code == 0
    parsed = json.loads(origin_json(found))
    assert (parsed["schema"], parsed["lock"], parsed["exit_code"]) == (1, f"sha256:{lock_file.digest}", 0)
    assert parsed["platforms"]["linux/arm64"]["image"] == arm64.image_id
    assert parsed["statements"][0]["provenance"]["source"]["commit"] == SOURCE.commit


@pytest.mark.parametrize("by", ["tag", "digest", "platform"])
def test_any_reference_of_the_image_leads_to_its_index(
    registry: DictRegistry, image: Image, lock_file: LockFile, by: str
) -> None:
    """Statements are about the index; from one platform it is found by the tag of the lock."""
    attached(registry, image, lock_file)
    reference = {
        "tag": REFERENCE,
        "digest": REFERENCE.at(image.index.descriptor.digest),
        "platform": REFERENCE.at(image.platforms[1].manifest.descriptor.digest),
    }[by]
    found = asked(registry, reference=reference)
    assert found.index == image.index.descriptor.digest
    assert len(found.statements) == 1
    assert found.reference.endswith(reference.digest or image.index.descriptor.digest)


def test_one_platform_without_its_index_is_an_answer_too(
    registry: DictRegistry, image: Image, lock_file: LockFile
) -> None:
    """Where the lock's tag is gone or names another index, the manifest's own labels count."""
    attached(registry, image, lock_file)
    reference = REFERENCE.at(image.platforms[0].manifest.descriptor.digest)
    del registry.tags[REFERENCE.name][image.tag]
    found = asked(registry, reference=reference)
    assert (found.index, found.lock_digest, found.statements) == (None, lock_file.digest, ())


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"dirty": True}, "with uncommitted changes in what the image is made of, unsigned"),
        ({"lock_committed": False}, "but the lock was not committed, unsigned"),
        ({"tree_dirty": True}, "clean (other files had uncommitted changes), unsigned"),
        ({"outside": True}, "none: made outside a git repository, unsigned"),
    ],
)
def test_the_commit_is_told_with_its_dirt(
    registry: DictRegistry, image: Image, lock_file: LockFile, facts: dict[str, Any], said: str
) -> None:
    """What git said when it was pushed."""
    attached(registry, image, lock_file, **facts)
    (line,) = [line for line in origin_text(asked(registry)).splitlines() if "commit   " in line]
    assert line.endswith(said)


@pytest.mark.parametrize(
    ("standing", "more", "demanded", "said", "code"),
    [
        ("unchecked", {}, False, "signed by SHA256:abc, not checked against anybody", 0),
        ("trusted", {"principal": "ana@example.com"}, True, "signed by ana@example.com (SHA256:abc)", 0),
        ("unknown", {"why": "no"}, False, "signed by SHA256:abc, who is no allowed signer (no)", 0),
        ("unknown", {"why": "no"}, True, "wrong           signed by SHA256:abc, who is no allowed signer: no", 4),
        ("unreadable", {"why": "no ssh-keygen"}, False, "signed by SHA256:abc, not checked (no ssh-keygen)", 0),
        ("unreadable", {"why": "no ssh-keygen"}, True, "unproven        no ssh-keygen", 3),
        ("wrong", {"why": "bad"}, False, "wrong           a signature of SHA256:abc is wrong: bad", 4),
    ],
)
def test_signatures_are_told_for_what_they_are(
    registry: DictRegistry,
    image: Image,
    lock_file: LockFile,
    standing: str,
    more: dict[str, str],
    demanded: bool,
    said: str,
    code: int,
) -> None:
    """Only a signer who was asked for and is another, or a wrong signature, is a failure (4)."""
    attached(registry, image, lock_file, key="key")
    found = asked(registry, trust(standing, demanded=demanded, **more))
    assert said in origin_text(found)
    assert found.exit_code == code


def test_a_signature_that_is_asked_for_has_to_be_there(
    registry: DictRegistry, image: Image, lock_file: LockFile
) -> None:
    """Unknown is never a pass: 3; one trusted statement among others is enough."""
    attached(registry, image, lock_file)
    found = asked(registry, trust(demanded=True))
    assert (found.exit_code, found.unproven) == (3, "no statement about this image is signed")
    attached(registry, image, lock_file, key="key")
    assert asked(registry, trust("trusted", principal="ana", demanded=True)).exit_code == 0


def forged(registry: CarelessRegistry, image: Image, lock_file: LockFile, how: str) -> None:
    """Attach what is not about this image, though the registry lists it as such."""
    statement = provenance(image, lock_file, SOURCE)
    subject = image.index.descriptor
    document = json.loads(statement.document.raw)
    dependencies = document["predicate"]["buildDefinition"]["resolvedDependencies"]
    parameters = document["predicate"]["buildDefinition"]["externalParameters"]
    match how:
        case "subject":
            document["subject"][0]["digest"]["sha256"] = "0" * 64
        case "lock":
            dependencies[0]["digest"]["sha256"] = parameters["lock"]["digest"]["sha256"] = "0" * 64
        case "env":
            parameters["env"] = "other"
        case "files":
            dependencies[1]["digest"]["sha256"] = "0" * 64
        case "manifest":
            subject = describe(b"another", INDEX)
        case "garbage":
            document = {"hello": 1}
    part = msgspec.structs.replace(statement.document, raw=json.dumps(document).encode())
    manifest = attestation_manifest(msgspec.structs.replace(statement, document=part), subject)
    registry.blobs[REFERENCE.name] |= {digest_of(raw): raw for raw in (part.raw, b"{}")}
    raw = canonical_json(manifest)
    registry.put_manifest(REFERENCE.at(digest_of(raw)), raw, MANIFEST)
    if how == "manifest":
        registry.listed = (describe(raw, MANIFEST),)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("subject", "it is about another image: sha256:000"),
        ("lock", "it says that the lock is sha256:000"),
        ("env", "it says of another environment"),
        ("manifest", "it is kept as one about this image, but names sha256:"),
        ("garbage", "A statement about the image cannot be read"),
    ],
)
def test_a_forged_statement_is_exit_4(
    registry: CarelessRegistry, image: Image, lock_file: LockFile, how: str, said: str
) -> None:
    """It is named, its commit is not told, and true ones beside it still are."""
    attached(registry, image, lock_file)
    forged(registry, image, lock_file, how)
    found = asked(registry)
    assert found.exit_code == 4
    assert said in found.problems[0]
    assert origin_text(found).count("  commit          ") == 1


def test_labels_that_contradict_each_other_are_exit_4(registry: DictRegistry, image: Image) -> None:
    """Index, manifests and configurations say one lock."""
    index = json.loads(image.index.raw)
    index["annotations"]["dev.envlock.lock.digest"] = f"sha256:{'0' * 64}"
    registry.put_manifest(REFERENCE, json.dumps(index).encode(), INDEX)
    found = asked(registry)
    assert found.exit_code == 4
    assert "dev.envlock.lock.digest is" in found.problems[0]


def test_an_image_of_others_is_told_as_far_as_it_is_known() -> None:
    """Digests and platforms, no lock: exit 2."""
    registry = DictRegistry()
    config = canonical_json({"architecture": "arm64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}})
    registry.blobs[REFERENCE.name] = {digest_of(config): config}
    raw = canonical_json({"schemaVersion": 2, "config": describe(config, CONFIG), "layers": []})
    registry.put_manifest(REFERENCE, raw, MANIFEST)
    found = asked(registry)
    assert origin_text(found) == (
        f"registry.example.com/team/demo@{digest_of(raw)}\n"
        "  lock            none: this is no image of envlock\n"
        f"  manifest digest {digest_of(raw)}  linux/arm64\n"
        f"  image ID        {digest_of(config)}\n"
    )
    assert found.exit_code == 2


def test_what_is_no_image_is_said(registry: DictRegistry, image: Image, lock_file: LockFile) -> None:
    """Such as an attestation by its digest."""
    attached(registry, image, lock_file)
    reference = REFERENCE.at(asked(registry).statements[0].digest)
    with pytest.raises(UsageError) as caught:
        asked(registry, reference=reference)
    assert caught.value.reference == "no-image"


def test_a_layout_keeps_what_refers_to_an_image(
    registry: DictRegistry, image: Image, lock_file: LockFile, tmp_path: Path
) -> None:
    """A copy to a layout says the same as the registry; a layout without statements says the rest."""
    attached(registry, image, lock_file)
    layout = f"oci:{tmp_path / 'copy'}:v1"
    copy_image(place_of(str(REFERENCE), registry), place_of(layout, registry), progress=NoProgress())
    found = which_in(place_of(layout, registry), layout, trust())
    assert msgspec.structs.replace(found, reference="") == msgspec.structs.replace(asked(registry), reference="")
    write_layout(tmp_path / "plain", image)
    found = which_in(place_of(f"oci:{tmp_path / 'plain'}", registry), "oci:plain", trust())
    assert (found.lock_digest, found.statements, found.exit_code) == (lock_file.digest, (), 0)


def test_a_statement_whose_bytes_are_wrong_is_exit_4(
    registry: DictRegistry, image: Image, lock_file: LockFile, tmp_path: Path
) -> None:
    """Every document is checked against its digest."""
    attached(registry, image, lock_file)
    blobs = registry.blobs[REFERENCE.name]
    blobs |= {name: raw.replace(b"demo", b"evil") for name, raw in blobs.items() if b"in-toto.io/Statement" in raw}
    found = asked(registry)
    assert found.exit_code == 4
    assert "What the registry served is something else" in found.problems[0]
    manifests = registry.manifests[REFERENCE.name]
    manifests |= {name: (raw.replace(b"demo", b"evil"), kind) for name, (raw, kind) in manifests.items()}
    with pytest.raises(IntegrityError):
        asked(registry)


def test_a_project_image_names_its_files(image: Image, lock_file: LockFile, tmp_path: Path) -> None:
    """Statements about it name lock and files; from one platform its index is found by the tag of both."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text("x = 1\n")
    of_project = project_image(image, include=("src/",), workdir=None, folder=tmp_path, layers=tmp_path / "layers")
    registry = pushed(of_project)
    attached(registry, of_project, lock_file)
    found = asked(registry, reference=REFERENCE.at(of_project.platforms[0].manifest.descriptor.digest))
    assert (found.exit_code, found.lock_digest, found.project) == (0, lock_file.digest, of_project.source)
    assert found.index == of_project.index.descriptor.digest
    assert found.statements[0].provenance is not None
    assert found.statements[0].provenance.project == of_project.source
    assert f"  project files   sha256:{of_project.source}\n" in origin_text(found)
    forged(registry, of_project, lock_file, "files")
    assert "other project files" in asked(registry).problems[0]


def test_an_image_of_an_engine_has_labels_alone(lock_file: LockFile) -> None:
    """An Engine keeps neither index nor statements."""
    labels = {"dev.envlock.lock.digest": f"sha256:{lock_file.digest}", "dev.envlock.env": "demo"}
    found = which_by_labels("engine:demo:v1", "linux/amd64", "sha256:abc", labels)
    assert origin_text(found) == (
        "engine:demo:v1\n"
        f"  lock            sha256:{lock_file.digest}\n"
        "  env             demo\n"
        "  spec            not said\n"
        "  image ID        sha256:abc  linux/amd64\n"
    )
    assert which_by_labels("engine:x", "linux/amd64", "sha256:abc", {}).exit_code == 2


def project(folder: Path, raw: bytes) -> Manifest:
    (folder / "lockfiles").mkdir()
    (folder / "lockfiles" / "pylock.demo.toml").write_bytes(raw)
    environments = {"demo": Environment(), "unlocked": Environment()}
    return Manifest(folder=folder, path=folder / "envlock.toml", environments=environments)


def test_inside_the_project_the_lock_has_a_name(
    registry: DictRegistry, image: Image, lock_file: LockFile, tmp_path: Path
) -> None:
    """The current lock of an environment, an older one of git's history, or none of this project."""
    found = asked(registry)
    current = project(tmp_path, lock_file.raw)
    assert beside_project(found, current, None).here == Here(env="demo")
    current.lock_path("demo").write_bytes(b"newer")
    held = Held(commit="abc", path="lockfiles/pylock.demo.toml")
    older = beside_project(found, current, FakeHistory(held))
    assert older.here == Here(held=held)
    assert "here            an older lock: lockfiles/pylock.demo.toml of commit abc" in origin_text(older)
    assert "here            not a lock of this project" in origin_text(beside_project(found, current, FakeHistory()))


def test_git_is_held_against_the_statement(
    registry: DictRegistry, image: Image, lock_file: LockFile, tmp_path: Path
) -> None:
    """A commit that holds another lock than the statement says is a contradiction; one that is not here is not."""
    attached(registry, image, lock_file)
    found, current = asked(registry), project(tmp_path, lock_file.raw)
    assert beside_project(found, current, FakeHistory(at=lock_file.digest)).exit_code == 0
    assert beside_project(found, current, FakeHistory(at=None)).exit_code == 0
    wrong = beside_project(found, current, FakeHistory(at="0" * 64))
    assert wrong.exit_code == 4
    assert "holds this lock, but it holds sha256:000" in wrong.problems[0]


@pytest.mark.parametrize("how", ["lacks a layer", "too many"])
def test_what_strangers_attach_does_not_hide_the_answer(
    registry: CarelessRegistry, image: Image, lock_file: LockFile, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attestation that lacks its statement, or has signatures without an end, is a problem among the answers."""
    statement = signed(provenance(image, lock_file, SOURCE), Keys(), "key")
    attach(registry, REFERENCE, image.index.descriptor, [statement])
    if how == "too many":
        manifest = attestation_manifest(statement, image.index.descriptor)
        raw = canonical_json(msgspec.structs.replace(manifest, layers=(*manifest.layers, *manifest.layers[1:] * 16)))
        registry.put_manifest(REFERENCE.at(digest_of(raw)), raw, MANIFEST)
    else:
        blob, gone = registry.blob, digest_of(statement.document.raw)

        def lacking(reference: Reference, digest: str) -> Iterator[bytes]:
            if digest == gone:
                raise UsageError("no-blob", "The registry lacks a layer of the image.")
            return blob(reference, digest)

        monkeypatch.setattr(registry, "blob", lacking)
    found = asked(registry)
    assert (found.lock_digest, found.exit_code) == (lock_file.digest, 4)
    assert [how in problem for problem in found.problems] == [True]
