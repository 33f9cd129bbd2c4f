"""Pushes to Debian's docker-registry with TLS and a password, by the real client, read by other ones."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from envlock.adapters.registry import OciRegistry
from envlock.adapters.registry_auth import Credentials
from envlock.adapters.registry_session import Session
from envlock.errors import UsageError
from envlock.formats.oci import CONFIG, LAYER, MANIFEST, canonical_json, describe, digest_of
from envlock.model.reference import Reference
from tests.integration.project import Project
from tests.integration.registry_server import PASSWORD, USER, Server, serving
from tests.integration.test_registry import required

LARGE = os.urandom(1 << 20) * 12


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A registry with TLS and a password."""
    with serving(tmp_path_factory.mktemp("secure"), secure=True) as running:
        yield running


def client(server: Server, *, trusted: bool = True, secret: str = PASSWORD) -> OciRegistry:
    """Return a client that trusts the registry's certificate."""
    return OciRegistry(
        Session(
            environment={"SSL_CERT_FILE": str(server.certificate)} if trusted else {},
            daemon=Path("/nonexistent/daemon.json"),
            credentials=lambda _: Credentials(user=USER, secret=secret),
            sleep=lambda _: None,
        )
    )


def put_image(registry: OciRegistry, reference: Reference, layer: bytes) -> str:
    """Push an image of one layer; return its digest."""
    config = canonical_json(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]}}
    )
    for raw in (layer, config):
        if not registry.has_blob(reference, digest_of(raw)):
            registry.upload(reference, digest_of(raw), len(raw), lambda raw=raw: iter([raw]))  # type: ignore[misc]
    raw = canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": describe(config, CONFIG),
            "layers": [describe(layer, LAYER)],
        }
    )
    registry.put_manifest(reference, raw, MANIFEST)
    return digest_of(raw)


def test_an_image_is_pushed_and_read_back(server: Server) -> None:
    """Its bytes come back; a second push sends nothing; another repository mounts what this one has."""
    registry = client(server)
    reference = Reference.parse(f"{server.address}/team/one:v1")
    assert registry.find(reference) is None
    digest = put_image(registry, reference, LARGE)
    assert registry.find(reference) == digest
    assert b"".join(registry.blob(reference, digest_of(LARGE))) == LARGE
    before = [line for line in server.requests() if '"PUT' in line and "/blobs/" in line]
    assert put_image(registry, reference, LARGE) == digest
    assert [line for line in server.requests() if '"PUT' in line and "/blobs/" in line] == before
    other = Reference.parse(f"{server.address}/team/two:v1")
    assert registry.mount(other, digest_of(LARGE), reference)
    assert put_image(registry, other, LARGE) == digest


@pytest.mark.parametrize("way", [0, 1, 2])
def test_each_way_of_uploading_works(server: Server, way: int) -> None:
    """One PUT, one PATCH, and PATCHes of 4 MiB, the session of a missed mount among them."""
    registry = client(server)
    registry._uploads._way[server.address] = way
    reference = Reference.parse(f"{server.address}/team/way{way}:v1")
    raw = LARGE + bytes([way])
    assert not registry.mount(reference, digest_of(raw), Reference.parse(f"{server.address}/team/none"))
    registry.upload(reference, digest_of(raw), len(raw), lambda: iter([raw]))
    assert b"".join(registry.blob(reference, digest_of(raw))) == raw


def test_referrers_are_found(server: Server) -> None:
    """In a registry without a referrers API too, and once each."""
    registry = client(server)
    reference = Reference.parse(f"{server.address}/team/signed:v1")
    digest = put_image(registry, reference, b"layer")
    subject = registry.manifest(reference)[0]
    kinds = ("application/vnd.in-toto+json", "application/vnd.cyclonedx+json")
    for kind in (*kinds, *kinds):
        empty = b"{}"
        registry.upload(reference, digest_of(empty), len(empty), lambda: iter([b"{}"]))
        raw = canonical_json(
            {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind,
             "config": describe(empty, "application/vnd.oci.empty.v1+json"),
             "layers": [describe(empty, "application/vnd.oci.empty.v1+json")], "subject": describe(subject, MANIFEST)}
        )  # fmt: skip
        registry.put_manifest(reference.at(digest_of(raw)), raw, MANIFEST)
    found = json.loads(registry.referrers(reference.at(digest)))["manifests"]
    assert [one["artifactType"] for one in found] == list(kinds)
    assert json.loads(registry.referrers(reference.at(found[0]["digest"])))["manifests"] == []


def test_who_is_not_trusted_is_told(server: Server) -> None:
    """A wrong password, and a certificate that nobody vouches for, each with its way out."""
    reference = Reference.parse(f"{server.address}/team/one:v1")
    with pytest.raises(UsageError, match="registry-denied") as caught:
        client(server, secret="wrong-word").find(reference)
    assert "docker login" in caught.value.hint
    assert "wrong-word" not in str(caught.value)
    with pytest.raises(UsageError, match="registry-failed") as caught:
        client(server, trusted=False).find(reference)
    assert "SSL_CERT_FILE" in caught.value.hint
    assert "certificate" in caught.value.found


def test_the_engines_certificates_count(server: Server, tmp_path: Path) -> None:
    """`certs.d/<host>/ca.crt`, where docker looks too."""
    folder = tmp_path / "certs.d" / server.address
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(server.certificate.read_bytes())
    registry = OciRegistry(
        Session(
            environment={},
            daemon=tmp_path / "daemon.json",
            credentials=lambda _: Credentials(user=USER, secret=PASSWORD),
        )
    )
    assert registry.find(Reference.parse(f"{server.address}/team/none:v1")) is None


@pytest.mark.network
def test_the_command_pushes_what_build_printed(built: Project, server: Server, tmp_path: Path) -> None:
    """The digest is build's; skopeo reads the same; an empty machine pulls it; no credential is ever shown."""
    login = server.logged_in(tmp_path / "docker")
    name = f"{server.address}/team/small"
    index = built.ok("build", "--json").json["images"][0]["index"]
    done = built.ok("push", "small", "-t", f"{name}:v1", environment=login)
    assert index in done.out
    digest = subprocess.run(
        [required("skopeo"), "inspect", "--raw", f"--cert-dir={server.folder}", f"--creds={USER}:{PASSWORD}",
         f"docker://{name}:v1"],
        check=True, capture_output=True,
    ).stdout  # fmt: skip
    assert digest_of(digest) == index
    assert PASSWORD not in done.out + done.err
    denied = built.run("push", "small", "-t", f"{name}:v1", environment={"DOCKER_CONFIG": str(tmp_path / "none"),
                       "SSL_CERT_FILE": str(server.certificate)})  # fmt: skip
    assert denied.code == 2
    assert "registry-denied" in denied.err
