"""Statements beside an image: what they say, that they are put once, and what a registry then holds."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import msgspec
import pytest

from envlock.errors import IntegrityError, UsageError
from envlock.formats.in_toto import parse_statement
from envlock.formats.oci import INDEX, MANIFEST, Descriptor, Index, Manifest, canonical_json, digest_of
from envlock.image.oci import Image
from envlock.model.lock import LockFile
from envlock.model.observation import Unknown
from envlock.model.provenance import SIGNING_NAMESPACE, Provenance, Signature, Source
from envlock.model.reference import Reference
from envlock.operations.attest import Attached, Attestation, attach, provenance, sbom, signed
from envlock.operations.build import build
from tests.unit.images import lock_of, materials
from tests.unit.registries import DictRegistry
from tests.unit.wheels import make_wheel

REPOSITORY = Reference.parse("registry.example.com/team/demo:v1")
SOURCE = Source(
    commit="0123456789abcdef0123456789abcdef01234567",
    dirty=False,
    lock_committed=True,
    lock_path="lockfiles/pylock.demo.toml",
    tree_dirty=True,
)


def armored(key: bytes, signature: bytes) -> bytes:
    """Return what looks like a signature of a key, over nothing."""
    raw = b"SSHSIG" + (1).to_bytes(4, "big") + len(key).to_bytes(4, "big") + key + signature
    text = base64.b64encode(raw)
    lines = [text[i : i + 70] for i in range(0, len(text), 70)]
    return b"\n".join([b"-----BEGIN SSH SIGNATURE-----", *lines, b"-----END SSH SIGNATURE-----", b""])


class CountingSigner:
    """Signs anew each time, as keys of the kind ECDSA do."""

    def __init__(self) -> None:
        self.made = 0

    def sign(self, raw: bytes, key: str, namespace: str = SIGNING_NAMESPACE) -> bytes:
        """Number the signatures."""
        self.made += 1
        return armored(key.encode(), str(self.made).encode())

    def check(self, raw: bytes, armored: bytes, allowed: Path | None, namespace: str = SIGNING_NAMESPACE) -> Signature:
        """Not asked here."""
        raise NotImplementedError


@pytest.fixture
def lock_file(tmp_path: Path) -> LockFile:
    return lock_of([make_wheel(tmp_path)])


@pytest.fixture
def image(tmp_path: Path, lock_file: LockFile) -> Image:
    return build(lock_file, materials=materials(tmp_path, [make_wheel(tmp_path)]))


def attached_to(registry: DictRegistry, image: Image, *attestations: Attestation) -> tuple[Attached, ...]:
    return attach(registry, REPOSITORY, image.index.descriptor, attestations)


def test_the_statement_is_in_toto_with_a_slsa_predicate(image: Image, lock_file: LockFile) -> None:
    """Everything in it follows from image, lock and commit; there is no time, machine, user or remote."""
    raw = provenance(image, lock_file, SOURCE).document.raw
    lock = {"sha256": lock_file.digest}
    assert json.loads(raw) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": image.tag, "digest": {"sha256": image.index.descriptor.digest[7:]}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "pkg:pypi/envlock-ml#docs/layer-spec-v1.md",
                "externalParameters": {"env": "demo", "lock": {"digest": lock, "path": "lockfiles/pylock.demo.toml"}},
                "internalParameters": {},
                "resolvedDependencies": [
                    {"name": "lock", "digest": lock},
                    {
                        "name": "git",
                        "digest": {"gitCommit": SOURCE.commit},
                        "annotations": {"dirty": False, "lockCommitted": True, "workTreeDirty": True},
                    },
                ],
            },
            "runDetails": {"builder": {"id": "pkg:pypi/envlock-ml"}},
        },
    }
    assert raw == provenance(image, lock_file, SOURCE).document.raw


@pytest.mark.parametrize("project", [None, "ab" * 32])
@pytest.mark.parametrize("source", [SOURCE, Unknown(reason="This folder is in no git repository.")])
def test_a_statement_reads_back(
    image: Image, lock_file: LockFile, source: Source | Unknown, project: str | None
) -> None:
    """What is written is what is read; outside a repository the facts of git are absent."""
    image = msgspec.structs.replace(image, source=project)
    read = parse_statement(provenance(image, lock_file, source).document.raw, "here")
    assert read == Provenance(
        subjects=(image.index.descriptor.digest,),
        predicate_type="https://slsa.dev/provenance/v1",
        builder="pkg:pypi/envlock-ml",
        env="demo",
        lock_digest=lock_file.digest,
        project=project,
        source=source if isinstance(source, Source) else None,
    )
    assert read.ours


def test_attestations_become_referrers_of_the_index(image: Image, lock_file: LockFile) -> None:
    """The manifest is an OCI artifact: an empty configuration, the statement as its layer, the index as its subject."""
    registry = DictRegistry()
    (made,) = attached_to(registry, image, provenance(image, lock_file, SOURCE))
    assert made.new
    raw, media_type = registry.manifests[REPOSITORY.name][made.digest]
    manifest = msgspec.json.decode(raw, type=Manifest)
    statement = provenance(image, lock_file, SOURCE).document.raw
    assert media_type == MANIFEST
    assert manifest.artifact_type == "application/vnd.in-toto+json"
    assert manifest.subject is not None
    assert manifest.subject.digest == image.index.descriptor.digest
    assert (manifest.config.media_type, manifest.config.digest) == (
        "application/vnd.oci.empty.v1+json",
        f"sha256:{hashlib.sha256(b'{}').hexdigest()}",
    )
    assert [(layer.digest, layer.annotations) for layer in manifest.layers] == [
        (digest_of(statement), {"org.opencontainers.image.title": "statement.json"})
    ]
    (listed,) = json.loads(registry.referrers(REPOSITORY.at(image.index.descriptor.digest)))["manifests"]
    assert (listed["digest"], listed["artifactType"]) == (made.digest, "application/vnd.in-toto+json")


def test_what_is_there_is_not_attached_again(image: Image, lock_file: LockFile) -> None:
    """A second push sends nothing; a statement of another commit is another one."""
    registry = DictRegistry()
    statement = provenance(image, lock_file, SOURCE)
    (first,) = attached_to(registry, image, statement)
    sent = registry.called("upload")
    (second,) = attached_to(registry, image, statement)
    assert second == Attached(kind="provenance", digest=first.digest, new=False)
    assert registry.called("upload") == sent
    (other,) = attached_to(registry, image, provenance(image, lock_file, Unknown(reason="")))
    assert other.new
    assert registry.called("upload") == sent + 1  # the empty configuration was there


def test_a_signature_is_a_second_layer_and_put_once_for_each_key(image: Image, lock_file: LockFile) -> None:
    """Keys whose signatures are never the same twice do not pile up statements; an unsigned one counts as there."""
    registry, signer = DictRegistry(), CountingSigner()
    statement = provenance(image, lock_file, SOURCE)
    (unsigned,) = attached_to(registry, image, statement)
    (ana,) = attached_to(registry, image, signed(statement, signer, "ana"))
    assert ana.new
    manifest = msgspec.json.decode(registry.manifests[REPOSITORY.name][ana.digest][0], type=Manifest)
    assert [layer.media_type for layer in manifest.layers] == [
        "application/vnd.in-toto+json",
        "application/vnd.envlock.ssh-signature",
    ]
    assert manifest.layers[1].annotations == {"org.opencontainers.image.title": "statement.json.sig"}
    assert attached_to(registry, image, signed(statement, signer, "ana")) == (
        Attached(kind="provenance", digest=ana.digest, new=False),
    )
    (ben,) = attached_to(registry, image, signed(statement, signer, "ben"))
    assert ben.new
    assert attached_to(registry, image, statement)[0].digest == unsigned.digest


class LyingRegistry(DictRegistry):
    """Lists what it does not have."""

    def referrers(self, reference: Reference) -> bytes:
        """One manifest that nobody put."""
        gone = Descriptor(media_type=MANIFEST, digest=f"sha256:{'0' * 64}", size=7)
        return canonical_json(Index(schema_version=2, media_type=INDEX, manifests=(gone,)))


def test_broken_referrers_of_others_do_not_matter(image: Image, lock_file: LockFile) -> None:
    """What somebody else attached may be anything."""
    (made,) = attached_to(LyingRegistry(), image, provenance(image, lock_file, SOURCE))
    assert made.new


def test_the_bill_of_materials_is_a_referrer_too(image: Image, lock_file: LockFile) -> None:
    """It has CycloneDX's media type, and the bytes that `export` writes."""
    from envlock.operations.sbom import cyclonedx_json

    registry = DictRegistry()
    (made,) = attached_to(registry, image, sbom(lock_file))
    manifest = msgspec.json.decode(registry.manifests[REPOSITORY.name][made.digest][0], type=Manifest)
    assert manifest.artifact_type == "application/vnd.cyclonedx+json"
    assert registry.blobs[REPOSITORY.name][manifest.layers[0].digest] == cyclonedx_json(lock_file)
    assert attach(registry, REPOSITORY, image.index.descriptor, []) == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"_type": "https://in-toto.io/Statement/v0.1"}, "its _type is"),
        ({"subject": 3}, "Expected `array`"),
        ({"predicate": {}}, "missing required field"),
    ],
)
def test_what_is_no_statement_is_refused(
    image: Image, lock_file: LockFile, change: dict[str, object], said: str
) -> None:
    """A statement that cannot be read is an integrity error that says why."""
    raw = json.loads(provenance(image, lock_file, SOURCE).document.raw) | change
    with pytest.raises(IntegrityError, match=said) as caught:
        parse_statement(json.dumps(raw).encode(), "sha256:…")
    assert caught.value.reference == "bad-statement"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("buildDefinition", "externalParameters", "lock", "digest", "sha256"), "0" * 64),
        (("buildDefinition", "externalParameters", "lock"), "x"),
        (("buildDefinition", "resolvedDependencies", 1, "digest", "gitCommit"), "--help"),
        (("buildDefinition", "resolvedDependencies", 1, "annotations", "dirty"), "no"),
        (("buildDefinition", "resolvedDependencies", 0, "digest"), {}),
    ],
)
def test_a_statement_in_our_name_is_read_strictly(
    image: Image, lock_file: LockFile, path: tuple[str | int, ...], value: object
) -> None:
    """What names envlock as its builder has to be as envlock writes it."""
    document = json.loads(provenance(image, lock_file, SOURCE).document.raw)
    inner = document["predicate"]
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    with pytest.raises(IntegrityError) as caught:
        parse_statement(json.dumps(document).encode(), "here")
    assert caught.value.reference == "bad-statement"


def test_statements_of_other_builders_are_read_as_far_as_they_go() -> None:
    """Another predicate or builder is told, and nothing of it taken for ours."""
    other = {"_type": "https://in-toto.io/Statement/v1", "subject": [], "predicateType": "https://example.com/scan"}
    read = parse_statement(json.dumps(other | {"predicate": [1]}).encode(), "here")
    assert (read.predicate_type, read.ours) == ("https://example.com/scan", False)
    slsa = {
        "buildDefinition": {"buildType": "x", "externalParameters": {}},
        "runDetails": {"builder": {"id": "https://example.com/ci"}},
    }
    read = parse_statement(
        json.dumps(other | {"predicateType": "https://slsa.dev/provenance/v1", "predicate": slsa}).encode(), "here"
    )
    assert (read.builder, read.ours) == ("https://example.com/ci", False)


def test_without_the_library_sboms_say_how_to_get_it(
    image: Image, lock_file: LockFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra is named before anything is sent."""
    monkeypatch.setitem(__import__("sys").modules, "cyclonedx.model.bom", None)
    with pytest.raises(UsageError) as caught:
        sbom(lock_file)
    assert caught.value.reference == "no-sbom-library"
    assert 'pip install "envlock-ml[sbom]"' in caught.value.hint
