"""Where reports go: the project's folder with a signature beside each, and the registry beside the image."""

from __future__ import annotations

from pathlib import Path

import pytest

from envlock.errors import UsageError
from envlock.formats.oci import INDEX, MANIFEST, Index, canonical_json, describe, digest_of, parse_manifest
from envlock.formats.oci import Manifest as ImageManifest
from envlock.image.oci import LABEL_LOCK
from envlock.model.manifest import Environment, ImageTable, Manifest
from envlock.model.reference import Reference
from envlock.model.report import LockedAs
from envlock.operations.attest import REPORT, SSH_SIGNATURE
from envlock.operations.report_keeping import (
    attach_report,
    image_of,
    index_of_lock,
    keep_bytes,
    kept_path,
    signature_path,
    write_report,
)
from tests.unit.registries import DictRegistry
from tests.unit.test_attest import armored

LOCK = LockedAs(env="tf25", digest="0123456789abcdef" * 4)
V1 = Reference.parse("registry.example.com/team/tf25:v1")


def manifest(folder: Path, repository: str | None = "registry.example.com/team/tf25") -> Manifest:
    """Return a manifest whose images are in a repository."""
    table = ImageTable(base="debian-bookworm-python3.11", repository=repository)
    return Manifest(folder=folder, path=folder / "envlock.toml", environments={"tf25": Environment(image=table)})


def test_names_of_kept_reports(tmp_path: Path) -> None:
    """A report is kept under its environment and a name that is a plain one."""
    for name in ("ana", "ana.json"):
        assert kept_path(manifest(tmp_path), "tf25", name) == tmp_path / "lockfiles/reports/tf25/ana.json"
    for name in ("", "../ana", "a/b", ".hidden", "-x", "a b", "x" * 65, "ä"):
        with pytest.raises(UsageError) as raised:
            kept_path(manifest(tmp_path), "tf25", name)
        assert raised.value.reference == "bad-report-name"


def test_a_signature_is_of_the_report_beside_it(tmp_path: Path) -> None:
    """A report that takes the place of a signed one takes its signature away; what is none of ours stays."""
    path = tmp_path / "reports" / "ana.json"
    beside = signature_path(path)
    write_report(path, b"one", armored(b"key", b"1"))
    assert (path.read_bytes(), beside.read_bytes()) == (b"one", armored(b"key", b"1"))
    write_report(path, b"two", None)
    assert path.read_bytes() == b"two"
    assert not beside.exists()
    beside.write_text("notes\n")
    write_report(path, b"three", None)
    assert beside.read_text() == "notes\n"
    with pytest.raises(UsageError, match="cannot be written"):
        write_report(path / "x.json", b"four", None)


def test_git_keeps_the_bytes(tmp_path: Path) -> None:
    """In a repository the folder of reports says so, once, whatever it says already; elsewhere nothing is written."""
    reports = tmp_path / "lockfiles/reports"
    assert keep_bytes(reports) is None
    assert not reports.exists()
    (tmp_path / ".git").mkdir()
    assert keep_bytes(reports) == reports / ".gitattributes"
    assert keep_bytes(reports) is None
    assert (reports / ".gitattributes").read_text() == "** text eol=lf linguist-generated\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", f"registry.example.com/team/tf25:lock-{LOCK.digest[:32]}"),
        ("v1", "registry.example.com/team/tf25:v1"),
        (":v1", "registry.example.com/team/tf25:v1"),
        ("other.example.com/x/y:z", "other.example.com/x/y:z"),
    ],
)
def test_the_image_that_a_report_stands_beside(tmp_path: Path, text: str, expected: str) -> None:
    """That of the lock, another tag of the manifest's repository, or any other reference."""
    assert str(image_of(manifest(tmp_path), LOCK, text)) == expected


def test_no_image_to_stand_beside(tmp_path: Path) -> None:
    """Without a lock, and without a repository where a tag needs one, the next step is told."""
    for found, lock, reference in (
        (manifest(tmp_path), None, "no-lock"),
        (None, LOCK, "no-repository"),
        (manifest(tmp_path, None), LOCK, "no-repository"),
    ):
        with pytest.raises(UsageError) as raised:
            image_of(found, lock, "")
        assert raised.value.reference == reference
        assert raised.value.hint


def registry_with(lock: str | None) -> DictRegistry:
    """Return a registry with an image whose index says of which lock it is."""
    registry = DictRegistry()
    annotations = {LABEL_LOCK: f"sha256:{lock}"} if lock is not None else {}
    index = Index(schema_version=2, media_type=INDEX, manifests=(), annotations=annotations)
    registry.put_manifest(V1, canonical_json(index), INDEX)
    return registry


def test_a_report_becomes_a_referrer_of_the_image() -> None:
    """It is an artifact of its own type about the index, its signature the second layer, and attached once."""
    registry = registry_with(LOCK.digest)
    subject = index_of_lock(registry, V1, LOCK)
    signature = armored(b"key", b"1")
    attached = attach_report(registry, V1, subject, b'{"a": 1}\n', signature, "ana.json")
    assert attached.new
    found = parse_manifest(registry.manifests[V1.name][attached.digest][0], "x")
    assert found.subject is not None
    assert (found.artifact_type, found.subject.digest) == (REPORT, subject.digest)
    assert [(layer.media_type, layer.digest) for layer in found.layers] == [
        (REPORT, digest_of(b'{"a": 1}\n')),
        (SSH_SIGNATURE, digest_of(signature)),
    ]
    again = attach_report(registry, V1, subject, b'{"a": 1}\n', armored(b"key", b"2"), "ana.json")
    assert (again.digest, again.new) == (attached.digest, False)
    assert attach_report(registry, V1, subject, b'{"a": 1}\n', None, "ben.json").new


@pytest.mark.parametrize(("lock", "reference"), [("f" * 64, "other-lock"), (None, "other-lock")])
def test_images_of_other_locks(lock: str | None, reference: str) -> None:
    """A report stands beside an image of its own lock alone."""
    with pytest.raises(UsageError) as raised:
        index_of_lock(registry_with(lock), V1, LOCK)
    assert raised.value.reference == reference
    assert raised.value.expected == f"sha256:{LOCK.digest}"


def test_an_image_that_is_not_there() -> None:
    """The next step is to push it, under the tag that was asked for; that of its lock an image has anyway."""
    for tag, more in (("v1", " -t v1"), (f"lock-{LOCK.digest[:32]}", "")):
        with pytest.raises(UsageError) as raised:
            index_of_lock(DictRegistry(), V1.tagged(tag), LOCK)
        assert (raised.value.reference, raised.value.hint) == ("no-image", f"Push it first: envlock push tf25{more}")


def test_one_platform_of_the_image() -> None:
    """A reference of one platform's manifest leads to the index, by the tag of the lock."""
    registry = registry_with(LOCK.digest)
    index = index_of_lock(registry, V1, LOCK)
    registry.tags[V1.name][f"lock-{LOCK.digest[:32]}"] = index.digest
    raw = canonical_json(
        ImageManifest(
            schema_version=2,
            media_type=MANIFEST,
            config=describe(b"{}", "application/vnd.oci.image.config.v1+json"),
            layers=(),
            annotations={LABEL_LOCK: f"sha256:{LOCK.digest}"},
        )
    )
    registry.blobs.setdefault(V1.name, {})[digest_of(b"{}")] = b"{}"
    registry.put_manifest(V1.at(digest_of(raw)), raw, MANIFEST)
    assert index_of_lock(registry, V1.at(digest_of(raw)), LOCK) == index
